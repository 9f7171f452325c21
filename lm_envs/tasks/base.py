"""What to write and how it is judged: a prompt, a stop rule, a reward. Knows nothing of models.

An episode is one or more *turns*: lines of the agent's, each answered by the task. Whatever the
task answers is a pure function of the example and the turns so far, so that an episode can be
restored from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from lm_envs.tasks.rewards.reward import Reward


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to write.

    Attributes:
        prompt: (P,) int64 ids the episode starts from, P >= 1.
        reference: (R,) int64 ids a reader would hope for; empty where there is none.
        targets: The same as texts, any of which is right; empty where there is none.
        index: Number of the example in its task; -1 for a caller's own prompt.
        columns: Other fields of the row that the example was made from, as read.
    """

    prompt: np.ndarray
    reference: np.ndarray
    targets: tuple[str, ...] = ()
    index: int = -1
    columns: Mapping[str, Any] = field(default_factory=dict)


class Option(NamedTuple):
    """A line that an agent can choose, and whether it would have an effect now."""

    text: str
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """What a task makes of the turns so far.

    Attributes:
        is_over: Whether the episode is complete.
        context: All the text that the model reads before the next turn, if there is one.
        task_scores: The task's own scores so far, by the names of `Task.task_scores`.
    """

    is_over: bool = True
    context: str = ""
    task_scores: dict[str, float] = field(default_factory=dict)


class Task(Protocol):
    """What an environment asks of a task.

    Attributes:
        num_examples: How many examples there are to draw from.
        prompt_tokens: Most tokens in a prompt.
        max_new_tokens: Budget: an episode terminates when the agent has written this many tokens.
        context_tokens: Most tokens in the whole text, whatever is written and answered.
        max_turns: Most turns in an episode.
        num_options: How many lines there are to choose from; 0 where there are none.
        task_scores: Names of the task's own scores.
        reward: What is paid for the text.
    """

    num_examples: int
    prompt_tokens: int
    max_new_tokens: int
    context_tokens: int
    max_turns: int
    num_options: int
    task_scores: tuple[str, ...]
    reward: Reward

    def example(self, index: int) -> Example:
        """The example of that number, 0 <= index < num_examples."""
        ...

    def example_of(self, prompt: str) -> Example:
        """An example made of a caller's own prompt."""
        ...

    def is_turn_over(self, text: str) -> bool:
        """Whether the line written so far is complete."""
        ...

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """The `num_options` lines to choose from next."""
        ...

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """What comes of the turns so far, one or more."""
        ...

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """The line that a perfect agent would write next; empty where nobody knows."""
        ...


def draw(task: Task, rng: np.random.Generator) -> int:
    """Number of a random example of a task."""
    return int(rng.integers(task.num_examples))
