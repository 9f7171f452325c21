"""How an action becomes text: one word at a time, or one of some lines.

Owns what the agent may write now. Knows nothing of rewards, or of when an episode is over.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions import WordActions, check_discrete
from lm_envs.envs.episodes import Episodes
from lm_envs.model.engine import Engine
from lm_envs.tasks.task import Task
from lm_envs.tokenizer import Tokenizer

MOST_KNOWN = 20_000
"""Texts whose lines' scores are remembered: the model never changes, so they do not either."""

LOGPROB_DECIMALS = 4
"""Log-probabilities are rounded to this many decimals before they are judged or reported."""


class Writer(Protocol):
    """What an environment asks of a way to write.

    Attributes:
        space: One row's action space.
    """

    space: gym.Space[Any]

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions of N rows in one form; those outside `rows` (N,) bool are ignored.

        Raises:
            ValueError: If one of `rows` holds an action that is not in the space.
        """
        ...

    def read(self, rows: np.ndarray) -> None:
        """Lets the model read the contexts of `rows` (R,) afresh."""
        ...

    def restore(self) -> None:
        """Lets the model read every row's context as it came about."""
        ...

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Writes the actions (N, ...) of `rows` (R,); which of the rows ended a line, (R,) bool."""
        ...

    def masks(self) -> np.ndarray:
        """Which discrete actions are sensible now, (N, actions) bool."""
        ...

    def proposals(self) -> np.ndarray:
        """Log-probabilities (N, K) of what the model itself would do, best first, nats."""
        ...

    def of_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Actions of N rows that do what the model proposes in these places (N,)."""
        ...

    def solutions(self) -> np.ndarray:
        """Actions of N rows that a perfect agent would take, as far as they can be taken."""
        ...


class WordWriter:
    """Writes one word a step.

    Args:
        actions: What the words are chosen by.
        engine: The model.
        episodes: Where words are noted.
        task: Says when a line is complete.
    """

    def __init__(
        self, actions: WordActions, engine: Engine, episodes: Episodes, task: Task
    ) -> None:
        self.space = actions.space
        self.check = actions.check
        self._actions, self._engine = actions, engine
        self._episodes, self._task = episodes, task

    def read(self, rows: np.ndarray) -> None:
        """Prefills the rows."""
        prefill(self._engine, self._episodes, rows)

    def restore(self) -> None:
        """Prefills what was read at once, and appends what was written word by word."""
        episodes, rows = self._episodes, np.arange(self._engine.num_rows)
        written = episodes.context_lengths - episodes.filled
        contexts = zip(episodes.contexts, episodes.filled, strict=True)
        self._engine.prefill(rows, [context[:size] for context, size in contexts])
        for column in range(int(written.max())):
            places = np.minimum(episodes.filled + column, episodes.contexts.shape[1] - 1)
            self._engine.append(episodes.contexts[rows, places], written > column)

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """One word each."""
        engine, episodes = self._engine, self._episodes
        tokens = self._actions.to_tokens(actions, engine.outputs)  # (N,)
        is_written = None
        if len(rows) < engine.num_rows:
            is_written = np.isin(np.arange(engine.num_rows), rows)
        outputs = engine.append(tokens, is_written)
        _require_finite(outputs.logprobs)
        logprobs = outputs.chosen.astype(np.float64).round(LOGPROB_DECIMALS)
        episodes.write(rows, tokens, logprobs)
        has_line = [self._task.is_turn_over(episodes.line(row)) for row in rows]
        is_last = episodes.counts[rows] >= self._task.max_new_tokens
        return is_last | (tokens[rows] == engine.end_token) | np.array(has_line, bool)

    def masks(self) -> np.ndarray:
        """As the kind of actions says."""
        return self._actions.masks(self._engine)

    def proposals(self) -> np.ndarray:
        """The candidates' log-probabilities."""
        return self._engine.outputs.logprobs

    def of_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """As the kind of actions says."""
        return self._actions.of_ranks(ranks, self._engine.outputs)

    def solutions(self) -> np.ndarray:
        """The reference's next word, or the end of text after it, where it is a candidate."""
        episodes = self._episodes
        is_left = episodes.counts < episodes.reference_counts
        places = np.where(is_left, episodes.counts, 0)
        words = episodes.references[np.arange(len(places)), places]
        wanted = np.where(is_left, words, self._engine.end_token)
        is_wanted = self._engine.outputs.candidates == wanted[:, None]
        return self.of_ranks(is_wanted.argmax(1))


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
        self._task, self._tokenizer = task, tokenizer

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
        _require_finite(self._engine.outputs.logprobs)
        for row in rows.tolist():
            example, turns = self._episodes.examples[row], self._episodes.turns[row]
            options = self._task.options(example, turns)
            self.is_open[row] = [option.is_open for option in options]
            self._lines[row] = [self._tokenizer.encode(" " + option.text) for option in options]

    def restore(self) -> None:
        """Reads every row: between lines, all of a context was read at once."""
        self.read(np.arange(self._engine.num_rows))

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """One line each, which is complete."""
        chosen = [[self._lines[row][actions[row]]] for row in rows]
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
            tokens = self._tokenizer.encode(f" {right}")
            is_right = [np.array_equal(line, tokens) for line in lines]
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


def prefill(engine: Engine, episodes: Episodes, rows: np.ndarray) -> None:
    """Lets the model read the contexts of `rows` (R,) at once."""
    lengths = episodes.context_lengths
    engine.prefill(rows, [episodes.contexts[row, : lengths[row]] for row in rows])


def _require_finite(logprobs: np.ndarray) -> None:
    if not np.isfinite(logprobs).all():
        row = int((~np.isfinite(logprobs)).any(1).argmax())
        raise FloatingPointError(
            f"Got NaN or infinite log-probabilities in row {row}; the model's weights or its "
            "dtype are broken. Use dtype='float32' or another checkpoint."
        )
