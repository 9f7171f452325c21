"""What the model says after texts and lines, read no sooner than it must be.

Owns what each row's slot holds, and what was said before: the model never changes, so what is known
is recalled, and the row's slot stays behind until something unknown is asked of the row. Knows
nothing of tasks, or of when an episode is over.
"""

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from lm_envs.envs.actions.token_writer import LOGPROB_DECIMALS
from lm_envs.lru import LRUCache
from lm_envs.model.base import LanguageModel
from lm_envs.model.engine import Engine

MOST_KNOWN = 20_000
"""Texts that are remembered, lines after texts, and scores of all the lines after a text."""

BEFORE_LINE = np.array([-1])
"""Stands before each of several lines, where they are put into one key."""

Ids = Sequence[np.ndarray]
"""Token ids: arrays (T,) int64."""


class Memory:
    """What one model said, by the bytes of what it read.

    Attributes:
        states: After a text; see `Engine.packed_outputs`.
        lines: After a text and a line: the state, and log-probabilities (T,) of the line's tokens.
        scores: Of a text and the C lines on offer after it: their scores (C,); see `Reader.score`.
    """

    def __init__(self) -> None:
        self.states: LRUCache[bytes, np.ndarray] = LRUCache(MOST_KNOWN)
        self.lines: LRUCache[tuple[bytes, bytes], tuple[np.ndarray, np.ndarray]] = LRUCache(
            MOST_KNOWN
        )
        self.scores: LRUCache[bytes, np.ndarray] = LRUCache(MOST_KNOWN)


def shared(model: LanguageModel, cache_dtype: str) -> Memory:
    """The memory that all environments share, while the model lives, whose model says the same.

    Args:
        model: The network.
        cache_dtype: What their engines keep keys and values in.
    """
    return _SHARED.setdefault(model, {}).setdefault(cache_dtype, Memory())


_SHARED: WeakKeyDictionary[LanguageModel, dict[str, Memory]] = WeakKeyDictionary()


class Reader:
    """Reads the texts of rows, and none that is remembered.

    On CPU what is recalled is what reading would give, bit for bit.

    Args:
        engine: The model; nobody else lets it read.
        memory: What the model is known to say to engines with as many candidates.
    """

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self._engine, self._memory = engine, memory
        self.clear_slots()

    def clear_slots(self) -> None:
        """Takes the slots for empty."""
        self._held = [np.zeros(0, np.int64)] * self._engine.num_rows  # ids in each row's slot

    def read(self, rows: np.ndarray, texts: Ids) -> None:
        """Lets `rows` (R,) say what follows their texts."""

        def states_of(places: list[int]) -> Iterable[np.ndarray]:
            self._read(rows[places], [texts[place] for place in places])
            return map(np.copy, self._engine.packed_outputs(rows[places]))

        found = self._memory.states.get_or_compute([text.tobytes() for text in texts], states_of)
        self._recall(rows, found)

    def append(self, rows: np.ndarray, texts: Ids, lines: Ids) -> list[np.ndarray]:
        """Lets `rows` (R,) go on with a line each after the texts that they stand at.

        Returns:
            For each row the log-probabilities (T,) float64 of its line's tokens, nats.
        """

        def lines_of(places: list[int]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
            chosen = [lines[place] for place in places]
            self._catch_up(rows[places], [texts[place] for place in places])
            logprobs = self._engine.extend_scored(rows[places], chosen)
            for place, line in zip(places, chosen, strict=True):
                self._held[rows[place]] = np.concatenate([texts[place], line])
            states = map(np.copy, self._engine.packed_outputs(rows[places]))
            return zip(states, (values.round(LOGPROB_DECIMALS) for values in logprobs), strict=True)

        pairs = zip(texts, lines, strict=True)
        keys = [(text.tobytes(), line.tobytes()) for text, line in pairs]
        found = self._memory.lines.get_or_compute(keys, lines_of)
        self._recall(rows, [state for state, _ in found])
        return [logprobs for _, logprobs in found]

    def score(self, rows: np.ndarray, texts: Ids, lines: Sequence[Ids]) -> np.ndarray:
        """Mean log-probability of the tokens of each line after the text of its row, (R, C), nats.

        Args:
            rows: (R,) int64 distinct row numbers.
            texts: The text that each row stands at.
            lines: For each row C lines.
        """

        def scores_of(places: list[int]) -> Iterable[np.ndarray]:
            self._catch_up(rows[places], [texts[place] for place in places])
            scored = self._engine.score_options(rows[places], [lines[place] for place in places])
            return (np.array([v.round(LOGPROB_DECIMALS).mean() for v in row]) for row in scored)

        keys = [_key(text, options) for text, options in zip(texts, lines, strict=True)]
        return np.stack(self._memory.scores.get_or_compute(keys, scores_of))

    def _catch_up(self, rows: np.ndarray, texts: Ids) -> None:
        """Lets the slots of `rows` hold the texts that the rows stand at."""
        pairs = enumerate(zip(rows, texts, strict=True))
        behind = [place for place, (row, text) in pairs if not _is_same(self._held[row], text)]
        if behind:
            self._read(rows[behind], [texts[place] for place in behind])

    def _read(self, rows: np.ndarray, texts: Ids) -> None:
        """Reads each text from where it differs from what the row's slot holds."""
        held = [self._held[row] for row in rows]
        starts = np.array([num_alike(*pair) for pair in zip(texts, held, strict=True)])
        ends = [text[start:] for text, start in zip(texts, starts, strict=True)]
        self._engine.extend(rows, starts, ends)
        for row, text in zip(rows, texts, strict=True):
            self._held[row] = text.copy()

    def _recall(self, rows: np.ndarray, states: Sequence[np.ndarray]) -> None:
        if states:
            self._engine.restore_outputs(rows, np.stack(states))


def num_alike(text: np.ndarray, held: np.ndarray) -> int:
    """How many leading ids of a text (T,) stand in `held` (P,) too; the last never counts.

    There is always a token to read, from whose hidden state the text goes on.
    """
    size = min(len(text) - 1, len(held))
    is_other = text[:size] != held[:size]
    return int(is_other.argmax()) if is_other.any() else size


def _is_same(held: np.ndarray, text: np.ndarray) -> bool:
    return len(held) == len(text) and bool((held == text).all())


def _key(text: np.ndarray, lines: Ids) -> bytes:
    """A text and the lines on offer after it."""
    parts = [part for line in lines for part in (BEFORE_LINE, line)]
    return np.concatenate([text, *parts]).tobytes()
