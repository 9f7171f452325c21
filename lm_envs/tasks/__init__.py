"""Tasks: examples, stop rules and rewards. Text in, floats out; no tensors."""

from collections.abc import Callable
from typing import Any

from lm_envs.plugins import is_path, load_object
from lm_envs.tasks.base import Example, Option, Response, Task
from lm_envs.tasks.captioning.task import Captioning
from lm_envs.tasks.classification import Classification
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from lm_envs.tasks.next_word import NextWord
from lm_envs.tasks.paraphrase import Paraphrase
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tasks.subtitles.task import LiveSubtitles
from lm_envs.tasks.translation import Translation
from lm_envs.validation import check_choice

__all__ = [
    "TASKS",
    "CompletionItem",
    "CompletionTask",
    "Example",
    "Option",
    "Response",
    "Task",
    "TaskSpec",
    "resolve",
]

TASKS: dict[str, Callable[..., Any]] = {
    "next_word": NextWord,
    "paraphrase": Paraphrase,
    "question_answering": QuestionAnswering,
    "knowledge_graph": KnowledgeGraphQA,
    "translation": Translation,
    "classification": Classification,
    "dialogue": Dialogue,
    "captioning": Captioning,
    "live_subtitles": LiveSubtitles,
}
"""Every task by name; the only list to edit for a new one."""

TaskSpec = str | Callable[..., Task] | Task
"""A name in `TASKS`, "module:Class", a class, or a task."""


def resolve(task: TaskSpec) -> Any:  # noqa: ANN401 - a class or a task
    """Returns the class, or the task, that a spec names.

    Raises:
        ValueError: If there is no such task.
    """
    if is_path(task):
        return load_object(str(task), "task", TASKS)
    if isinstance(task, str):
        check_choice("task", task, TASKS)
        return TASKS[task]
    return task
