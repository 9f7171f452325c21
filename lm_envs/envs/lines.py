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
from lm_envs.envs.writers import LOGPROB_DECIMALS, require_finite
from lm_envs.model.engine import Engine
from lm_envs.tasks.task import Task
from lm_envs.tokenizer import Tokenizer

MOST_KNOWN = 20_000
"""Texts whose lines' scores are remembered, as are the tokens of lines: neither ever changes."""


class LineWriter:
    """Writes one of the lines that the task offers.

    Scores of the lines are computed where somebody asks for them. Of a text that changes
    from turn to turn, the model reads only what comes after the part that stays.

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
        self.room = task.max_new_tokens  # a line is written whole
        self.is_open = np.ones((engine.num_rows, num_lines), bool)
        self._lines: list[list[np.ndarray]] = [[] for _ in range(engine.num_rows)]
        self._read: list[np.ndarray] = [np.zeros(0, np.int64)] * engine.num_rows  # the slots' ids
        self._scores = LineScores(engine)
        self._engine, self._episodes = engine, episodes
        self._task = task
        self._encode = lru_cache(MOST_KNOWN)(lambda text: tokenizer.encode(f" {text}"))

    @property
    def scores(self) -> np.ndarray:
        """(N, C) float64 mean log-probability of each line's tokens, nats."""
        rows = np.arange(self._engine.num_rows)
        known = self._scores.of(rows, self._episodes.texts_read(rows), self._lines)
        return np.array([[values.mean() for values in row] for row in known])

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions (N,) int64; 0 where `rows` is False."""
        return check_discrete(actions, rows, self.num_lines, "the lines offered")

    def read(self, rows: np.ndarray) -> None:
        """Reads each text from where it differs from what the row holds."""
        texts = self._episodes.texts_read(rows)
        held = [self._read[row] for row in rows]
        starts = np.array([num_alike(*pair) for pair in zip(texts, held, strict=True)])
        ends = [text[start:] for text, start in zip(texts, starts, strict=True)]
        require_finite(self._engine.extend(rows, starts, ends).logprobs)
        self._hold(rows)

    def offer(self, rows: np.ndarray) -> None:
        """Asks which lines the rows can go on with."""
        for row in rows.tolist():
            example, turns = self._episodes.examples[row], self._episodes.turns[row]
            options = self._task.options(example, turns)
            self.is_open[row] = [option.is_open for option in options]
            self._lines[row] = [self._encode(option.text) for option in options]

    def restore(self) -> None:
        """Reads every row at once, which gives the numbers that reading it in parts gave."""
        self._read = [np.zeros(0, np.int64)] * self._engine.num_rows
        self.read(np.arange(self._engine.num_rows))

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """One line each, which is complete; as much of it as the budget leaves room for."""
        left = self._task.max_new_tokens - self._episodes.counts
        chosen = [self._lines[row][actions[row]][: left[row]] for row in rows]
        scores = self._engine.append_lines(rows, chosen)
        require_finite(self._engine.outputs.logprobs)
        for row, line, logprobs in zip(rows.tolist(), chosen, scores, strict=True):
            self._episodes.write_line(row, line, logprobs.round(LOGPROB_DECIMALS))
        self._hold(rows)
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

    def _hold(self, rows: np.ndarray) -> None:
        """Notes what the slots of `rows` hold now."""
        for row, text in zip(rows.tolist(), self._episodes.texts_read(rows), strict=True):
            self._read[row] = text.copy()


def num_alike(text: np.ndarray, held: np.ndarray) -> int:
    """How many leading ids of a text (T,) stand in `held` (P,) too; the last never counts.

    There is always a token to read, from whose hidden state the text goes on.
    """
    size = min(len(text) - 1, len(held))
    is_other = text[:size] != held[:size]
    return int(is_other.argmax()) if is_other.any() else size


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
