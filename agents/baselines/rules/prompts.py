"""The prompt of an example as its task made it: what rules read. Knows no rule."""

from lm_envs.tasks.base import Example, Task
from lm_envs.tasks.completion import CompletionTask
from lm_envs.tokenizer import Tokenizer


def own_prompt(task: Task, example: Example, tokenizer: Tokenizer) -> str:
    """Returns the prompt of an example, without the solved examples that may stand before it."""
    if isinstance(task, CompletionTask) and example.index >= 0:
        return task.item(example).prompt
    return tokenizer.decode(example.prompt)
