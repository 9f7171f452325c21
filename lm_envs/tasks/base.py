"""What to write and how it is scored: a prompt, a stop rule, a reward. Knows nothing of models.

An episode is one or more *turns*: lines that the agent writes, each followed by the task's
response. A response is a pure function of the example and the turns so far, so that an episode can
be restored from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, cast

import numpy as np

from lm_envs.tasks.rewards.reward import Reward


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to write.

    Attributes:
        prompt: (P,) int64 ids the episode starts from, P >= 1.
        reference: (R,) int64 ids of a good completion; empty where there is none.
        targets: Texts, any of which is right; empty where there is none.
        index: Index of the example in its task; -1 for a caller's own prompt.
        columns: Other fields of the example, which reward functions receive, by name.
        image: (H, W, 3) uint8 image that is observed beside the text; None in tasks without.
    """

    prompt: np.ndarray
    reference: np.ndarray
    targets: tuple[str, ...] = ()
    index: int = -1
    columns: Mapping[str, Any] = field(default_factory=dict)
    image: np.ndarray | None = None

    @property
    def num_bytes(self) -> int:
        """Memory of the arrays, in bytes; columns are the task's own."""
        image = 0 if self.image is None else self.image.nbytes
        return self.prompt.nbytes + self.reference.nbytes + image


class Option(NamedTuple):
    """A line that an agent can choose, and whether it would have an effect now."""

    text: str
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """The task's response to the turns so far.

    Attributes:
        is_over: Whether the episode is complete.
        context: The whole text that the model reads before the next turn, if there is one.
        task_scores: The task's own scores so far, by the names of `Task.task_scores`.
        reply: What answers the last turn, such as the other speaker's line; it is shown, and not
            scored.
    """

    is_over: bool = True
    context: str = ""
    task_scores: dict[str, float] = field(default_factory=dict)
    reply: str = ""


class Task(Protocol):
    """What an environment needs of a task.

    A class is called with a tokenizer and the task's own keyword-only arguments. A task in which
    one line is written after a prompt derives from `CompletionTask`.

    Attributes:
        num_examples: Number of examples.
        prompt_tokens: Most tokens in a prompt, with the tokenizer's `prompt_overhead`.
        max_new_tokens: Token budget: the episode terminates when so many tokens are written.
        context_tokens: Most tokens in the whole context.
        max_turns: Most turns in an episode.
        num_options: Number of lines to choose from; 0 if there are none.
        task_scores: Names of the task's own scores.
        reward: The weighted scores that are the reward.
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
        """Returns the example of an index, 0 <= index < num_examples."""
        ...

    def example_of(self, prompt: str) -> Example:
        """Returns an example made from a caller's own prompt."""
        ...

    def is_turn_over(self, text: str) -> bool:
        """Returns whether the line written so far is complete."""
        ...

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Returns the `num_options` lines to choose from next."""
        ...

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Returns the response to one or more turns."""
        ...

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """Returns the line that leads to the target; empty where it is unknown."""
        ...


def required_actions(task: Task) -> str | None:
    """Returns the only action kind that a task works with; None if any kind does.

    It is the value of the task's attribute `required_actions`, if there is one.
    """
    return getattr(task, "required_actions", None)


class ImageTask(Task, Protocol):
    """A task whose examples have images, which are observed beside the text.

    Attributes:
        image_shape: (H, W, 3) of each image, uint8.
    """

    image_shape: tuple[int, ...]

    def example_of_image(self, image: np.ndarray) -> Example:
        """Returns an example made from a caller's own image, with the task's usual prompt.

        Raises:
            ValueError: If it is no uint8 array of the shape `image_shape`.
        """
        ...


def as_image_task(task: Task) -> ImageTask | None:
    """Returns a task that has images; None for any other."""
    return cast(ImageTask, task) if hasattr(task, "image_shape") else None


def shown_image(example: Example) -> np.ndarray:
    """Returns the image (H, W, 3) uint8 of an example of a task with images."""
    assert example.image is not None
    return example.image
