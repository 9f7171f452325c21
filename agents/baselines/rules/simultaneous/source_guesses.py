"""How a source may go on: texts that the frozen language model writes after the words read so far.

The model has read whole texts, sources and translations, so that it can continue a source too.
Owns how a source is guessed. Knows nothing of rewards, and no word that was not read; the number of
words is known, as it is to agents.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np

from lm_envs.envs.actions.read_write import ReadWriteActions
from lm_envs.model.engine import Engine, Outputs
from lm_envs.tasks.data.word_prefixes import word_prefixes

DRAWS, KEPT = 24, 8
"""Texts that are drawn for each beginning, and the most frequent ones that are kept."""

CANDIDATES = 48
"""Most likely tokens of which one is drawn."""

BEST = 8
"""Most likely tokens that are kept after a guess."""

ROWS = 256
MOST_TOKENS = 20
"""Largest number of tokens that are drawn; longer texts are left out."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The part of a source that was read.

    Attributes:
        tokens: (T,) int64 ids of the text that ends with it.
        words: The part itself.
        num_words: Words of the whole source.
    """

    tokens: np.ndarray
    words: str
    num_words: int

    @property
    def key(self) -> tuple[bytes, int]:
        """What its guesses depend on."""
        return self.tokens.tobytes(), self.num_words


Guesses = Sequence[tuple[str, float]]
"""Sources and their shares among those that were kept."""


class NextTokens(NamedTuple):
    """The model's most likely tokens after each of C contexts, the likeliest first.

    Attributes:
        tokens: (C, BEST) int64.
        probabilities: (C, BEST) float64.
    """

    tokens: np.ndarray
    probabilities: np.ndarray


class SourceGuesses:
    """Guesses of sources, each drawn once; they depend on nothing but what was read.

    Args:
        actions: Those of a simultaneous translation.
    """

    def __init__(self, actions: ReadWriteActions) -> None:
        engine, self._tokenizer = actions.engine, actions.tokenizer
        self.model = engine.model
        self._engine = Engine(
            self.model,
            ROWS,
            capacity=engine.capacity,
            num_candidates=CANDIDATES,
            end_token=engine.end_token,
        )
        pieces = self._tokenizer.token_bytes
        self._begins_word = np.array([piece[:1] == b" " and len(piece) > 1 for piece in pieces])
        self._ends_source = np.array([b"\n" in piece for piece in pieces])
        self._ends_source[self._tokenizer.end_tokens] = True
        self._known: dict[tuple[bytes, int], Guesses] = {}

    def of(self, beginnings: Sequence[Beginning]) -> list[Guesses]:
        """Returns the guesses of each beginning; the beginning itself if nothing fits."""
        new = {each.key: each for each in beginnings if each.key not in self._known}
        per_pass = ROWS // DRAWS
        waiting = list(new.values())
        for start in range(0, len(waiting), per_pass):
            self._draw(waiting[start : start + per_pass])
        return [self._known[each.key] for each in beginnings]

    def next_tokens(self, contexts: Sequence[np.ndarray]) -> NextTokens:
        """Returns the model's most likely tokens after each of C contexts."""
        tokens = np.empty((len(contexts), BEST), np.int64)
        logprobs = np.empty((len(contexts), BEST))
        for start in range(0, len(contexts), ROWS):
            part = contexts[start : start + ROWS]
            outputs = self._engine.prefill(np.arange(len(part)), part)
            tokens[start : start + ROWS] = outputs.candidates[: len(part), :BEST]
            logprobs[start : start + ROWS] = outputs.logprobs[: len(part), :BEST]
        return NextTokens(tokens, np.exp(logprobs))

    def _draw(self, beginnings: Sequence[Beginning]) -> None:
        """Draws the texts of a few beginnings, and keeps those of the right number of words."""
        rows = [each for each in beginnings for _ in range(DRAWS)]
        written = self._written(rows)
        for number, beginning in enumerate(beginnings):
            texts = Counter(written[number * DRAWS : (number + 1) * DRAWS])
            fitting = [
                (text, count)
                for text, count in texts.most_common()
                if text is not None and len(word_prefixes(text)) - 1 == beginning.num_words
            ][:KEPT] or [(beginning.words, 1)]
            total = sum(count for _, count in fitting)
            self._known[beginning.key] = [(text, count / total) for text, count in fitting]

    def _written(self, rows: Sequence[Beginning]) -> list[str | None]:
        """Returns a whole source for each row; None where it did not end in time."""
        places, wanted = np.arange(len(rows)), np.array([each.num_words for each in rows])
        words = np.array([len(word_prefixes(each.words)) - 1 for each in rows])
        chances = np.stack([_chances(each) for each in rows[::DRAWS]]).reshape(len(rows), -1)
        tokens: list[list[int]] = [[] for _ in rows]
        found: list[str | None] = [None] * len(rows)
        outputs = self._engine.prefill(places, [each.tokens for each in rows])
        is_going_on = np.ones(len(rows), bool)
        for step in range(MOST_TOKENS):
            is_open = (words < wanted) if step else None
            drawn, is_possible = self._draw_tokens(outputs, is_open, chances[:, step])
            is_going_on &= is_possible
            for row in np.flatnonzero(is_going_on).tolist():
                if self._ends_source[drawn[row]]:
                    found[row] = rows[row].words + self._tokenizer.decode(np.array(tokens[row]))
                    continue
                tokens[row].append(int(drawn[row]))
                words[row] += self._begins_word[drawn[row]]
            is_going_on &= ~self._ends_source[drawn]
            is_going_on &= self._engine.lengths[places] < self._engine.capacity
            if not is_going_on.any():
                break
            outputs = self._engine.decode(_padded(drawn), _padded(is_going_on))
        return found

    def _draw_tokens(
        self, outputs: Outputs, is_open: np.ndarray | None, chances: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns a token of each of R rows, and whether there was one that is allowed, (R,) each.

        Args:
            outputs: Of the engine.
            is_open: (R,) bool, which rows need more words, so that the text may not end; in the
                others no word may begin. None for the first token, which begins a word.
            chances: (R,) numbers from [0, 1) that decide.
        """
        places = np.arange(len(chances))
        candidates = outputs.candidates[places]
        begins, ends = self._begins_word[candidates], self._ends_source[candidates]
        is_allowed = begins if is_open is None else np.where(is_open[:, None], ~ends, ~begins)
        weights = np.exp(outputs.logprobs[places].astype(np.float64)) * is_allowed
        sums = weights.cumsum(1)
        ranks = (sums <= chances[:, None] * sums[:, -1:]).sum(1)
        return candidates[places, np.minimum(ranks, CANDIDATES - 1)], sums[:, -1] > 0


def _padded(values: np.ndarray) -> np.ndarray:
    """Returns the values of all rows of the engine: zeros behind those of R rows."""
    return np.concatenate([values, np.zeros(ROWS - len(values), values.dtype)])


def _chances(beginning: Beginning) -> np.ndarray:
    """Returns numbers from [0, 1) that decide the draws of a beginning, (DRAWS, MOST_TOKENS)."""
    seed = [crc32(beginning.tokens.tobytes()), beginning.num_words]
    return np.random.default_rng(seed).random((DRAWS, MOST_TOKENS))
