"""Whole lines as actions: which of them a task offers, and how likely the model finds each.

Owns the lines on offer. Knows nothing of rewards, or of when an episode is over.
"""

from functools import lru_cache
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.cached_reader import MOST_KNOWN, Memory, Reader
from lm_envs.envs.actions.token_writer import require_finite
from lm_envs.envs.actions.tokens import check_discrete
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.model.engine import Engine, Outputs
from lm_envs.tasks.base import Task
from lm_envs.tokenizer import Tokenizer


class ChoiceWriter:
    """Writes one of the lines that the task offers.

    Scores of the lines are computed where somebody asks for them. The model reads no text that it
    has read before, and of a text that changes from turn to turn only what comes after the part
    that stays.

    Attributes:
        is_open: (N, C) bool, which lines can be chosen with effect.
        num_choices: C, lines to choose from.

    Args:
        num_choices: C.
        engine: The model.
        episodes: Where lines are noted.
        task: Offers the lines.
        tokenizer: Cuts them into tokens.
        memory: What the model is known to say.
    """

    def __init__(
        self,
        num_lines: int,
        engine: Engine,
        episodes: EpisodeBuffer,
        task: Task,
        tokenizer: Tokenizer,
        memory: Memory,
    ) -> None:
        self.space: gym.Space[Any] = gym.spaces.Discrete(num_lines)
        self.num_choices = num_lines
        self.reserved_tokens = task.max_new_tokens  # a line is written whole
        self.is_enabled = np.ones((engine.num_rows, num_lines), bool)
        self._lines: list[list[np.ndarray]] = [[] for _ in range(engine.num_rows)]
        self._reader = Reader(engine, memory)
        self._engine, self._episodes = engine, episodes
        self._task = task
        self._encode = lru_cache(MOST_KNOWN)(lambda text: tokenizer.encode(f" {text}"))

    @property
    def outputs(self) -> Outputs:
        """The model's."""
        return self._engine.outputs

    @property
    def scores(self) -> np.ndarray:
        """(N, C) float64 mean log-probability of each line's tokens, nats."""
        rows = np.arange(self._engine.num_rows)
        return self._reader.score(rows, self._episodes.contexts_of(rows), self._lines)

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions (N,) int64; 0 where `rows` is False."""
        return check_discrete(actions, rows, self.num_choices, "the lines offered")

    def read(self, rows: np.ndarray) -> None:
        """Reads the texts that are not known."""
        self._reader.read(rows, self._episodes.contexts_of(rows))
        require_finite(self._engine.outputs.logprobs)

    def update_choices(self, rows: np.ndarray) -> None:
        """Asks which lines the rows can go on with."""
        for row in rows.tolist():
            example, turns = self._episodes.examples[row], self._episodes.turns[row]
            options = self._task.options(example, turns)
            self.is_enabled[row] = [option.is_enabled for option in options]
            self._lines[row] = [self._encode(option.text) for option in options]

    def restore(self) -> None:
        """Reads rows at once, which gives the numbers that reading them in parts gave."""
        self._reader.clear_slots()
        self.read(np.arange(self._engine.num_rows))

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """One line each, which is complete; as much of it as the budget leaves room for."""
        left = self._task.max_new_tokens - self._episodes.counts
        chosen = [self._lines[row][actions[row]][: left[row]] for row in rows]
        scores = self._reader.append(rows, self._episodes.contexts_of(rows), chosen)
        require_finite(self._engine.outputs.logprobs)
        for row, line, logprobs in zip(rows.tolist(), chosen, scores, strict=True):
            self._episodes.write_line(row, line, logprobs)
        return np.ones(len(rows), bool)

    def masks(self) -> np.ndarray:
        """Lines that can be chosen with effect."""
        return self.is_enabled.copy()

    def candidate_logprobs(self) -> np.ndarray:
        """The lines' scores, best first; -inf for those without effect."""
        return -np.sort(-self._open_scores(), axis=1)

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """The lines in these places by score."""
        order = np.argsort(-self._open_scores(), axis=1, kind="stable")
        return np.take_along_axis(order, ranks[:, None], 1)[:, 0]

    def oracle_actions(self) -> np.ndarray:
        """The line that the task knows to be right; the first where it knows none."""
        episodes = self._episodes
        found = []
        for row, lines in enumerate(self._lines):
            right = self._task.oracle_completion(episodes.examples[row], episodes.turns[row])
            is_right = [np.array_equal(line, self._encode(right)) for line in lines]
            found.append(int(np.argmax(is_right)))
        return np.array(found)

    def _open_scores(self) -> np.ndarray:
        return np.where(self.is_enabled, self.scores, -np.inf)
