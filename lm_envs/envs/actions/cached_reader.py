"""Reads contexts and lines through the model, and computes nothing twice.

Owns the contents of each row's KV slot, and the cache of earlier results. The model's weights never
change, so a result can be reused; a row's slot is then behind its context until a result is needed
that is not in the cache. Knows nothing of tasks, and does not decide when an episode is over.
"""

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from lm_envs.envs.actions.token_actions import LOGPROB_DECIMALS
from lm_envs.lru import LRUCache
from lm_envs.model.base import LanguageModel
from lm_envs.model.engine import Engine

CACHE_SHARE = 16
"""Each of the three caches takes at most this part, 1/16, of the memory allowed for prompts."""

ENTRY_BYTES = 230
"""Memory of a key and its array beside their contents, as measured."""

LINE_MARK = np.array([-1])
"""Separates the lines in the key of several lines: no token has this id."""

Ids = Sequence[np.ndarray]
"""Token ids: arrays (T,) int64."""


class ReadCache:
    """Results of one model, by the bytes of the token ids that were read.

    Args:
        max_bytes: Most memory of each of the three caches; 0 stores nothing.

    Attributes:
        contexts: Outputs after a context; see `Engine.packed_outputs`.
        lines: Outputs after a context and a line, and log-probabilities (T,) of the line's tokens.
        scores: Scores (C,) of the C lines offered after a context; see `CachedReader.score`.
    """

    def __init__(self, max_bytes: int) -> None:
        self.contexts: LRUCache[bytes, np.ndarray] = LRUCache(max_bytes, _num_bytes)
        self.lines: LRUCache[tuple[bytes, bytes], tuple[np.ndarray, np.ndarray]]
        self.lines = LRUCache(
            max_bytes,
            lambda key, value: sum(_num_bytes(*pair) for pair in zip(key, value, strict=True)),
        )
        self.scores: LRUCache[bytes, np.ndarray] = LRUCache(max_bytes, _num_bytes)


def shared_cache(model: LanguageModel, cache_dtype: str, prompt_bytes: int) -> ReadCache:
    """Returns the one cache of (model, cache dtype, memory), shared by all environments.

    It is freed with the model.

    Args:
        model: The network.
        cache_dtype: The KV cache dtype of the environments' engines.
        prompt_bytes: Most memory of the engines' cached prompts.
    """
    key = (cache_dtype, prompt_bytes)
    return _SHARED.setdefault(model, {}).setdefault(key, ReadCache(prompt_bytes // CACHE_SHARE))


_SHARED: WeakKeyDictionary[LanguageModel, dict[tuple[str, int], ReadCache]] = WeakKeyDictionary()


class CachedReader:
    """Reads the contexts of rows, except those in the cache.

    On CPU a cached result equals a computed one bit for bit.

    Args:
        engine: The engine; nothing else may write to its KV cache.
        cache: Results of the same model for engines with as many candidates.
    """

    def __init__(self, engine: Engine, cache: ReadCache) -> None:
        self._engine, self._cache = engine, cache
        self.clear_slots()

    def clear_slots(self) -> None:
        """Marks all slots as empty."""
        self._held = [np.zeros(0, np.int64)] * self._engine.num_rows  # ids in each row's slot

    def read(self, rows: np.ndarray, contexts: Ids) -> None:
        """Sets the engine's outputs of `rows` (R,) to those after their contexts."""

        def compute(places: list[int]) -> Iterable[np.ndarray]:
            self._extend(rows[places], [contexts[place] for place in places])
            return map(np.copy, self._engine.packed_outputs(rows[places]))

        found = self._cache.contexts.get_or_compute(
            [context.tobytes() for context in contexts], compute
        )
        self._restore_outputs(rows, found)

    def extend(self, rows: np.ndarray, contexts: Ids, lines: Ids) -> list[np.ndarray]:
        """Reads one line after the context of each of `rows` (R,).

        Returns:
            For each row the log-probabilities (T,) float64 of its line's tokens, nats.
        """

        def compute(places: list[int]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
            chosen = [lines[place] for place in places]
            self._fill_slots(rows[places], [contexts[place] for place in places])
            logprobs = self._engine.extend_scored(rows[places], chosen)
            for place, line in zip(places, chosen, strict=True):
                self._held[rows[place]] = np.concatenate([contexts[place], line])
            states = map(np.copy, self._engine.packed_outputs(rows[places]))
            return zip(states, (values.round(LOGPROB_DECIMALS) for values in logprobs), strict=True)

        pairs = zip(contexts, lines, strict=True)
        keys = [(context.tobytes(), line.tobytes()) for context, line in pairs]
        found = self._cache.lines.get_or_compute(keys, compute)
        self._restore_outputs(rows, [state for state, _ in found])
        return [logprobs for _, logprobs in found]

    def score(self, rows: np.ndarray, contexts: Ids, lines: Sequence[Ids]) -> np.ndarray:
        """Returns the mean log-probability (R, C) of each line's tokens, nats.

        Args:
            rows: (R,) int64 distinct row numbers.
            contexts: Context of each row.
            lines: C lines for each row.
        """

        def compute(places: list[int]) -> Iterable[np.ndarray]:
            self._fill_slots(rows[places], [contexts[place] for place in places])
            scored = self._engine.score_options(rows[places], [lines[place] for place in places])
            return (np.array([v.round(LOGPROB_DECIMALS).mean() for v in row]) for row in scored)

        keys = [_key(context, options) for context, options in zip(contexts, lines, strict=True)]
        return np.stack(self._cache.scores.get_or_compute(keys, compute))

    def _fill_slots(self, rows: np.ndarray, contexts: Ids) -> None:
        """Reads the contexts of those of `rows` whose slots hold something else."""
        pairs = enumerate(zip(rows, contexts, strict=True))
        behind = [place for place, (row, text) in pairs if not _is_same(self._held[row], text)]
        if behind:
            self._extend(rows[behind], [contexts[place] for place in behind])

    def _extend(self, rows: np.ndarray, contexts: Ids) -> None:
        """Reads each context from where it differs from the contents of the row's slot."""
        held = [self._held[row] for row in rows]
        starts = np.array([common_prefix(*pair) for pair in zip(contexts, held, strict=True)])
        ends = [context[start:] for context, start in zip(contexts, starts, strict=True)]
        self._engine.extend(rows, starts, ends)
        for row, context in zip(rows, contexts, strict=True):
            self._held[row] = context.copy()

    def _restore_outputs(self, rows: np.ndarray, states: Sequence[np.ndarray]) -> None:
        if states:
            self._engine.restore_outputs(rows, np.stack(states))


def common_prefix(context: np.ndarray, held: np.ndarray) -> int:
    """Returns how many leading ids of a context (T,) and of a slot (P,) are the same.

    At most T - 1: at least one token has to be read, because the outputs come from its hidden
    state.
    """
    size = min(len(context) - 1, len(held))
    is_other = context[:size] != held[:size]
    return int(is_other.argmax()) if is_other.any() else size


def _is_same(held: np.ndarray, context: np.ndarray) -> bool:
    return len(held) == len(context) and bool((held == context).all())


def _num_bytes(key: bytes, value: np.ndarray) -> int:
    return len(key) + value.nbytes + ENTRY_BYTES


def _key(context: np.ndarray, lines: Ids) -> bytes:
    """Returns the cache key of a context and the lines offered after it."""
    parts = [part for line in lines for part in (LINE_MARK, line)]
    return np.concatenate([context, *parts]).tobytes()
