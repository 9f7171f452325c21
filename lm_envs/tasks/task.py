"""What to write and how it is judged: a prompt, a stop rule, a reward. Knows nothing of models."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lm_envs.tasks.reward import Reward


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to write.

    Attributes:
        prompt: (P,) int64 ids the episode starts from, P >= 1.
        reference: (R,) int64 ids a reader would hope for; empty where there is none.
    """

    prompt: np.ndarray
    reference: np.ndarray


class Task(Protocol):
    """What an environment asks of a task.

    Attributes:
        num_examples: How many examples there are to draw from.
        prompt_tokens: Most tokens in a prompt.
        max_new_tokens: Budget: an episode terminates when it has written this many tokens.
        reward: What is paid for the text.
    """

    num_examples: int
    prompt_tokens: int
    max_new_tokens: int
    reward: Reward

    def draw(self, rng: np.random.Generator) -> int:
        """Number of a random example."""
        ...

    def example(self, index: int) -> Example:
        """The example of that number, 0 <= index < num_examples."""
        ...

    def example_of(self, prompt: str) -> Example:
        """An example made of a caller's own prompt."""
        ...

    def is_over(self, text: str) -> bool:
        """Whether the text written so far is complete."""
        ...
