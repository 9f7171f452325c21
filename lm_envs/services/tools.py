"""Turn tasks in the form of TRL's `environment_factory`: `reset`, methods as tools, `get_reward`.

Owns the tools of each task and what a model reads of them. Imports no TRL.

Source: https://huggingface.co/docs/trl/openenv.
"""

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lm_envs.envs.factory import make_task
from lm_envs.model import loading
from lm_envs.services.text_episode import OVER, TextEpisode
from lm_envs.tasks.base import Task
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice


class ToolEnvironment:
    """An episode with tools; subclasses define them.

    TRL offers every public function of the class except `reset` and `get_reward` as a tool, so
    everything else here is a property or private.

    Args:
        episode: Its texts and its reward.
    """

    instruction: ClassVar[str]
    """What the model has to do, for the prompt."""

    not_tools: ClassVar[tuple[str, ...]] = ("reset", "get_reward")

    def __init__(self, episode: TextEpisode) -> None:
        self._episode = episode

    def reset(self, index: int | None = None, **row: Any) -> str:  # noqa: ANN401
        """Starts an episode; returns what the model reads first.

        Args:
            index: Of the example; None draws one. All rollouts of a group need the same one.
            row: Other fields of the trainer's dataset, which are not used.
        """
        # The last line is the beginning of the agent's own line, such as "Answer:".
        return self._episode.begin(index).rpartition("\n")[0]

    def get_reward(self) -> float:
        """Returns the reward of the episode so far."""
        return self._episode.reward

    @property
    def episode(self) -> TextEpisode:
        """Its texts, and whether it is over."""
        return self._episode

    @property
    def tools(self) -> dict[str, Callable[..., str]]:
        """The tools by name."""
        functions = inspect.getmembers(type(self), inspect.isfunction)
        names = [name for name, _ in functions if not name.startswith("_")]
        return {name: getattr(self, name) for name in names if name not in self.not_tools}


class DialogueTools(ToolEnvironment):
    """A scripted customer of a shop."""

    instruction = (
        "You serve a customer of a shop. Ask for each detail that you need, politely, and then "
        "grant the request with every detail, such as: Thank you. Order A1 is on its way."
    )

    def reply(self, message: str) -> str:
        """Say one line to the customer, and hear the answer.

        Args:
            message: The line.

        Returns:
            The customer's answer.
        """
        return self._episode.write(message)


class KnowledgeGraphTools(ToolEnvironment):
    """A walk over a graph of facts."""

    instruction = (
        "Answer the question by walking from the given entity over relations of a graph. List the "
        "relations, follow one or more of them, and stop at the entity that is the answer."
    )

    def relations(self) -> str:
        """List the relations that lead on from the current entity.

        Returns:
            Their names, separated by commas.
        """
        return OVER if self._episode.is_over else ", ".join(self._episode.option_texts())

    def follow(self, relation: str) -> str:
        """Go along a relation.

        Args:
            relation: Name of the relation.

        Returns:
            The entity that was reached.
        """
        return self._episode.write(relation)

    def stop(self) -> str:
        """End the walk: the current entity is the answer.

        Returns:
            The entity.
        """
        return self._episode.write("stop")


class QuestionTools(ToolEnvironment):
    """A question with one answer."""

    instruction = "Answer the question in a few words."

    def answer(self, text: str) -> str:
        """Give the answer, which ends the episode.

        Args:
            text: The answer.

        Returns:
            A confirmation.
        """
        return self._episode.write(text) or "Answered."


KINDS: Mapping[str, type[ToolEnvironment]] = {
    "dialogue": DialogueTools,
    "knowledge_graph": KnowledgeGraphTools,
    "question_answering": QuestionTools,
}
"""Tool environments by the name of the task."""


def tool_environments(
    task: str,
    *,
    seed: int = 0,
    **options: Any,  # noqa: ANN401 - of the task
) -> Callable[[], ToolEnvironment]:
    """Returns a function that makes environments, for `GRPOTrainer(environment_factory=…)`.

    They share one task, so that hundreds of them cost no more than one.

    Args:
        task: A name in `KINDS`.
        seed: Of the examples; environment i draws with seed + i.
        options: Arguments of the task, such as `split` and `rewards`.

    Raises:
        ValueError: If there is no such task or argument, or a reward needs a language model.

    Example:
        >>> from lm_envs.services import tool_environments
        >>> env = tool_environments("dialogue", split="train")()
        >>> env.reset(index=0)
        'Customer: I want to return a lamp.'
        >>> env.reply("What is your order number?")
        'Customer: It is G7.'
    """
    made, tokenizer = _make(task, options)
    TextEpisode(made, tokenizer, seed)  # refuses rewards that need a model, before any training
    seeds = itertools.count(seed)
    return lambda: KINDS[task](TextEpisode(made, tokenizer, next(seeds)))


def dataset_rows(task: str, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - of the task
    """Returns a row for each example, for `datasets.Dataset.from_list`: `prompt` and `index`.

    A trainer repeats a row for all rollouts of a group, which then have the same example.

    Args:
        task: A name in `KINDS`.
        options: The same as those of `tool_environments`.

    Raises:
        ValueError: If there is no such task or argument.
    """
    made, _ = _make(task, options)
    message = {"role": "user", "content": f"{KINDS[task].instruction}\n\n"}
    return [{"prompt": [dict(message)], "index": index} for index in range(made.num_examples)]


def _make(task: str, options: Mapping[str, Any]) -> tuple[Task, Tokenizer]:
    """Returns a task of `KINDS` and its tokenizer, by which it counts the tokens of its prompts."""
    check_choice("task", task, KINDS)
    tokenizer = Tokenizer.from_folder(loading.locate(loading.EMBEDDED))
    made, _ = make_task(task, tokenizer, options)
    return made, tokenizer
