"""One episode of a task over plain texts: lines in, replies and a reward out.

Owns the order of turns without a model. Knows nothing of tokens that a model writes, so the token
budget of a task does not apply: the caller limits the length of texts.
"""

import numpy as np

from lm_envs.tasks.base import Example, Task
from lm_envs.tasks.rewards.text_scores import TEXT_SCORES
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, is_whole

OVER = "The episode is over."
"""Reply to a line after the end."""


class TextEpisode:
    """An episode; `begin` starts the next one.

    Args:
        task: Its rewards are scores of the task's own or of texts.
        tokenizer: Of the task.
        seed: Of the examples that `begin` draws.

    Attributes:
        turns: Lines written so far.
        is_over: Whether the episode has ended; True before the first.

    Raises:
        ValueError: If a reward needs a language model.
    """

    def __init__(self, task: Task, tokenizer: Tokenizer, seed: int) -> None:
        allowed = (*task.task_scores, *TEXT_SCORES)
        for name in task.reward.weights:
            check_choice("rewards of a task without a model", name, allowed)
        self.task = task
        self._tokenizer = tokenizer
        self.seed(seed)
        self._example: Example | None = None
        self._scores: dict[str, float] = {}
        self.turns: list[str] = []
        self.is_over = True

    def seed(self, seed: int) -> None:
        """Seeds the examples that `begin` draws from now on."""
        self._rng = np.random.default_rng(seed)

    def begin(self, index: int | None = None) -> str:
        """Starts an episode; returns its prompt.

        Args:
            index: Of the example, 0 to `task.num_examples` - 1; None draws one.

        Raises:
            ValueError: If there is no such example.
        """
        count = self.task.num_examples
        if index is not None and not (is_whole(index) and 0 <= index < count):
            raise ValueError(f"Got index={index!r}; allowed: 0 to {count - 1}.")
        self._example = self.task.example(
            int(self._rng.integers(count)) if index is None else index
        )
        self._scores, self.turns, self.is_over = {}, [], False
        return self._tokenizer.decode(self._example.prompt)

    def write(self, line: str) -> str:
        """Performs a turn with the first line of a text; returns the reply, which may be empty.

        Raises:
            ValueError: If the line is no text.
        """
        if not isinstance(line, str):
            raise ValueError(f"Got {line!r} of type {type(line).__name__}; allowed: a text.")
        if self.is_over or self._example is None:
            return OVER
        self.turns.append(line.strip().partition("\n")[0].strip())
        response = self.task.respond(self._example, self.turns)
        self._scores = response.task_scores
        self.is_over = response.is_over or len(self.turns) >= self.task.max_turns
        return response.reply

    def option_texts(self) -> list[str]:
        """Returns the lines that would have an effect now."""
        if self._example is None:
            return []
        options = self.task.options(self._example, self.turns)
        return [option.text for option in options if option.is_enabled]

    @property
    def reward(self) -> float:
        """Weighted sum of the scores so far: that of a whole episode once it is over."""
        return sum(
            weight * self._score(name)
            for name, weight in self.task.reward.weights.items()
            if weight
        )

    def _score(self, name: str) -> float:
        if self._example is None or not self.turns:
            return 0.0
        if name in self.task.task_scores:
            return self._scores[name]
        return TEXT_SCORES[name](self.turns[-1], self._example.targets)
