"""What guesses of the source tell about the token that would be written next.

Owns the numbers, and the memory of those that were found. Knows nothing of rewards.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.baselines.rules.simultaneous.confidence import tokens_to_write
from agents.baselines.rules.simultaneous.source_guesses import (
    Beginning,
    Guesses,
    NextTokens,
    SourceGuesses,
)
from lm_envs.envs.actions.read_write import ReadWriteActions
from lm_envs.lru import LRUCache
from lm_envs.tasks.data.word_prefixes import word_prefixes
from lm_envs.tasks.translation import Translation

NAMES = (
    *("guess_agreement", "guess_probability", "guess_lowest", "guess_rival"),
    *("guess_end", "guess_next_word", "guess_first"),
)
AGREEMENT = NAMES.index("guess_agreement")

ALL_READ = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0])
"""The numbers of a row that has read everything."""

CACHE_BYTES, ENTRY_BYTES = 128 * 2**20, 500
"""Memory of the stored numbers, and of an entry beside its key and its array."""

_Key = tuple[bytes, int, bytes]


@dataclass(frozen=True, slots=True)
class _Row:
    """What was read and written in a row."""

    beginning: Beginning
    num_read: int
    written: np.ndarray
    next_token: int

    @property
    def key(self) -> _Key:
        return *self.beginning.key, self.written.tobytes()


class GuessReadings:
    """Numbers about the next token from the guesses of its source, each found once.

    `guess_agreement`: share of the guesses after which the model would write the same token.
    `guess_probability`: mean probability of the token after a guess. `guess_lowest`: its lowest
    probability. `guess_rival`: largest share that agrees on another token. `guess_end`: share after
    which the translation would end. `guess_next_word`: largest share that has the same next source
    word. `guess_first`: share of the most frequent guess. All are in [0, 1].

    Args:
        actions: Those of a simultaneous translation.
        guesses: Of its model; None makes them.
    """

    def __init__(self, actions: ReadWriteActions, guesses: SourceGuesses | None = None) -> None:
        self._actions = actions
        self._guesses = guesses or SourceGuesses(actions)
        self._known = LRUCache[_Key, np.ndarray](CACHE_BYTES, _num_bytes)

    @property
    def model(self) -> object:
        """The language model whose guesses these are."""
        return self._guesses.model

    def of(self, actions: ReadWriteActions) -> np.ndarray:
        """Returns the numbers (N, 7) of the rows of an environment with the same model."""
        found = np.tile(ALL_READ, (len(actions.episodes.counts), 1))
        num_source = actions.num_source
        rows = np.flatnonzero(actions.num_read < num_source)
        if not len(rows):
            return found
        states = _states(actions, rows, num_source)
        examples = [actions.episodes.examples[row] for row in rows.tolist()]
        translation = _translation(actions)

        def compute(places: Sequence[int]) -> list[np.ndarray]:
            guesses = self._guesses.of([states[place].beginning for place in places])
            contexts = [
                np.append(translation.prompt_of(examples[place], text), states[place].written)
                for place, each in zip(places, guesses, strict=True)
                for text, _ in each
            ]
            return self._numbers([states[place] for place in places], guesses, contexts)

        found[rows] = self._known.get_or_compute([state.key for state in states], compute)
        return found

    def _numbers(
        self, states: Sequence[_Row], guesses: Sequence[Guesses], contexts: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Returns the numbers (7,) of some rows; a context too long for the engine is left out."""
        fits = np.array([len(context) <= self._actions.engine.capacity for context in contexts])
        after = self._guesses.next_tokens([c for c, fit in zip(contexts, fits, strict=True) if fit])
        places = np.cumsum(fits) - 1
        found, start = [], 0
        for state, each in zip(states, guesses, strict=True):
            span = slice(start, start := start + len(each))
            kept = places[span][fits[span]]
            shares = np.array([share for _, share in each])[fits[span]]
            part = NextTokens(after.tokens[kept], after.probabilities[kept])
            found.append(self._read(state, each, shares, part))
        return found

    def _read(
        self, state: _Row, guesses: Guesses, shares: np.ndarray, after: NextTokens
    ) -> np.ndarray:
        numbers = np.zeros(len(NAMES))
        words: defaultdict[str, float] = defaultdict(float)
        for text, share in guesses:
            words["".join(word_prefixes(text)[state.num_read + 1 :][:1])] += share
        numbers[5:] = max(words.values()), max(share for _, share in guesses)
        if not len(shares):
            return numbers
        weights, best = shares / shares.sum(), after.tokens[:, 0]
        is_same = best == state.next_token
        chances = (after.probabilities * (after.tokens == state.next_token)).sum(1)
        rivals: defaultdict[int, float] = defaultdict(float)
        for token, weight in zip(best[~is_same].tolist(), weights[~is_same], strict=True):
            rivals[token] += weight
        numbers[:3] = weights @ is_same, weights @ chances, chances.min()
        numbers[3] = max(rivals.values(), default=0.0)
        numbers[4] = weights @ np.isin(best, self._actions.line_ends)
        return numbers.clip(0.0, 1.0)  # sums may be rounded to more than 1


def _states(actions: ReadWriteActions, rows: np.ndarray, num_source: np.ndarray) -> list[_Row]:
    episodes, num_read = actions.episodes, actions.num_read
    found = []
    for row, token in zip(rows.tolist(), tokens_to_write(actions, rows).tolist(), strict=True):
        read = int(num_read[row])
        begun, words = _translation(actions).unfinished_source(episodes.examples[row], read)
        beginning = Beginning(begun, words, int(num_source[row]))
        written = episodes.tokens[row, : episodes.counts[row]].copy()
        found.append(_Row(beginning, read, written, token))
    return found


def _translation(actions: ReadWriteActions) -> Translation:
    assert isinstance(actions.task, Translation)
    return actions.task


def _num_bytes(key: _Key, numbers: np.ndarray) -> int:
    return ENTRY_BYTES + len(key[0]) + len(key[2]) + numbers.nbytes
