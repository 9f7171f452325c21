"""Whole lines as actions: which of them a task offers, and how likely the model finds each.

Owns the lines on offer and their scores. Knows nothing of rewards, or of when an episode is over.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions import check_discrete
from lm_envs.envs.episodes import Episodes
from lm_envs.envs.writers import LOGPROB_DECIMALS, prefill, require_finite
from lm_envs.model.engine import Engine
from lm_envs.tasks.task import Task
from lm_envs.tokenizer import Tokenizer

MOST_KNOWN = 20_000
"""Texts whose lines' scores are remembered, as are the tokens of lines: neither ever changes."""


class LineWriter:
    """Writes one of the lines that the task offers.

    The model's scores of the lines are computed where somebody asks for them.

    Attributes:
        is_open: (N, C) bool, which lines can be chosen with effect.
        num_lines: C, lines to choose from.

    Args:
        num_lines: C.
        engine: The model.
        episodes: Where lines are noted.
        task: Offers the lines.
        tokenizer: Cuts them into tokens.
    """

    def __init__(
        self, num_lines: int, engine: Engine, episodes: Episodes, task: Task, tokenizer: Tokenizer
    ) -> None:
        self.space: gym.Space[Any] = gym.spaces.Discrete(num_lines)
        self.num_lines = num_lines
        self.is_open = np.ones((engine.num_rows, num_lines), bool)
        self._lines: list[list[np.ndarray]] = [[] for _ in range(engine.num_rows)]
        self._scores = LineScores(engine)
        self._engine, self._episodes = engine, episodes
        self._task = task
        self._encode = lru_cache(MOST_KNOWN)(lambda text: tokenizer.encode(f" {text}"))

    @property
    def scores(self) -> np.ndarray:
        """(N, C) float64 mean log-probability of each line's tokens, nats."""
        known = self._logprobs(np.arange(self._engine.num_rows), self._lines)
        return np.array([[values.mean() for values in row] for row in known])

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions (N,) int64; 0 where `rows` is False."""
        return check_discrete(actions, rows, self.num_lines, "the lines offered")

    def read(self, rows: np.ndarray) -> None:
        """Prefills the rows, and asks which lines they can go on with."""
        prefill(self._engine, self._episodes, rows)
        require_finite(self._engine.outputs.logprobs)
        for row in rows.tolist():
            told = self._episodes.turns[row][: self._episodes.told[row]]
            options = self._task.options(self._episodes.examples[row], told)
            self.is_open[row] = [option.is_open for option in options]
            self._lines[row] = [self._encode(option.text) for option in options]

    def restore(self) -> None:
        """Reads every row: between lines, all of a context was read at once."""
        self.read(np.arange(self._engine.num_rows))

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """One line each, which is complete; as much of it as the budget leaves room for."""
        left = self._task.max_new_tokens - self._episodes.counts
        chosen = [[self._lines[row][actions[row]][: left[row]]] for row in rows]
        for row, [line], [logprobs] in zip(rows, chosen, self._logprobs(rows, chosen), strict=True):
            self._episodes.write_line(int(row), line, logprobs)
        return np.ones(len(rows), bool)

    def masks(self) -> np.ndarray:
        """Lines that can be chosen with effect."""
        return self.is_open.copy()

    def proposals(self) -> np.ndarray:
        """The lines' scores, best first; -inf for those without effect."""
        return -np.sort(-self._open_scores(), axis=1)

    def of_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """The lines in these places by score."""
        order = np.argsort(-self._open_scores(), axis=1, kind="stable")
        return np.take_along_axis(order, ranks[:, None], 1)[:, 0]

    def solutions(self) -> np.ndarray:
        """The line that the task knows to be right; the first where it knows none."""
        episodes = self._episodes
        found = []
        for row, lines in enumerate(self._lines):
            right = self._task.solution(episodes.examples[row], episodes.turns[row])
            is_right = [np.array_equal(line, self._encode(right)) for line in lines]
            found.append(int(np.argmax(is_right)))
        return np.array(found)

    def _open_scores(self) -> np.ndarray:
        return np.where(self.is_open, self.scores, -np.inf)

    def _logprobs(
        self, rows: np.ndarray, lines: Sequence[Sequence[np.ndarray]]
    ) -> list[list[np.ndarray]]:
        lengths = self._episodes.context_lengths
        contexts = [self._episodes.contexts[row, : lengths[row]] for row in rows]
        return self._scores.of(rows, contexts, lines)


class LineScores:
    """Log-probabilities of lines after texts, remembered: the model never changes.

    Args:
        engine: The model, which has read the texts.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: OrderedDict[bytes, list[np.ndarray]] = OrderedDict()

    def of(
        self,
        rows: np.ndarray,
        contexts: Sequence[np.ndarray],
        lines: Sequence[Sequence[np.ndarray]],
    ) -> list[list[np.ndarray]]:
        """For each of `rows` (R,), and each of its lines, (T,) float64 log-probabilities, nats.

        Args:
            rows: Distinct row numbers.
            contexts: For each row the ids (P,) that the engine has read.
            lines: For each row as many lines (T,) as for every other.
        """
        keys = [
            np.concatenate([context, [-1], *options]).tobytes()
            for context, options in zip(contexts, lines, strict=True)
        ]
        new = np.array([key not in self._known for key in keys])
        if new.any():
            places = np.flatnonzero(new).tolist()
            scored = self._engine.score_lines(rows[new], [lines[place] for place in places])
            for place, logprobs in zip(places, scored, strict=True):
                self._known[keys[place]] = [v.round(LOGPROB_DECIMALS) for v in logprobs]
        found = [self._known[key] for key in keys]
        for key in keys:
            self._known.move_to_end(key)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return found
