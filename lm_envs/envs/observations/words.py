"""Words of the text as numbers: a feature that needs no model.

Owns what a word is and whose words are shown. Knows nothing of tasks, rewards or action kinds.
"""

import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.features import Bounds
from lm_envs.model.engine import Outputs
from lm_envs.tasks.rewards.text_normalization import CJK
from lm_envs.validation import check_count, check_number

NORM = 2.0
"""Length of a vector of words: with 1 the first layer of a policy learns more slowly."""

_WORD = re.compile(rf"[{CJK}]|[^\W{CJK}]+|[^\w\s]")
_LARGEST_HASH = 2**32

Texts = tuple[str, str, str]
"""What others wrote in a row, the last of it, and the agent's last lines."""


class Words:
    """Which words the text has, by writer.

    `words`: of the prompt and of the replies; `last_words`: of the last reply, or of the prompt
    before the first; `own_words`: of the agent's last line and of the one that it is writing. Each
    has `size` columns: 2 / sqrt(n) for each of the n different words, in lower case; punctuation
    marks and CJK characters are words. A word's column is its CRC-32 modulo `size`, so that words
    can share one.

    With `dropout` a share of the words is left out, so that a policy does not rely on single ones;
    which ones depends on the text alone. It is meant for training: `agents` evaluates without it.

    Args:
        size: Number of columns of each of the three.
        dropout: Share of the words that is left out, 0 <= dropout < 1.

    Raises:
        ValueError: If an argument is not allowed.

    Source: feature hashing, Weinberger et al. 2009, https://arxiv.org/abs/0902.2206.
    """

    def __init__(self, size: int, dropout: float) -> None:
        check_count("size", size)
        check_number("dropout", dropout)
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"Got dropout={dropout!r}; allowed: 0 <= dropout < 1.")
        self._size, self._threshold = size, dropout * _LARGEST_HASH
        bounds = np.zeros(size), np.full(size, NORM)
        names = ("words", "last_words", "own_words")
        self.columns: Mapping[str, Bounds] = dict.fromkeys(names, bounds)
        self._texts: list[Texts] = []
        self._encoded = np.zeros((0, 3, size), np.float32)  # of `_texts`

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 3 size)."""
        texts = [_texts_by_writer(episodes, row) for row in range(len(episodes.texts))]
        if len(texts) != len(self._texts):
            self._texts = [("", "", "")] * len(texts)
            self._encoded = np.zeros((len(texts), 3, self._size), np.float32)
        # Batches with final observations are encoded twice, before and after the reset of some
        # rows: the others keep their values.
        changed = [row for row, each in enumerate(texts) if each != self._texts[row]]
        self._encoded[changed] = self._encode_texts([texts[row] for row in changed])
        self._texts = texts
        return self._encoded.reshape(len(texts), -1).copy()

    def _encode_texts(self, texts: Sequence[Texts]) -> np.ndarray:
        """Returns the columns of each text of R rows, (R, 3, size)."""
        found = np.zeros((len(texts), 3, self._size), np.float32)
        for columns, parts in zip(found, texts, strict=True):
            salt = zlib.crc32("\n".join(parts).encode())
            for part, text in zip(columns, parts, strict=True):
                part[self._columns_of(text, salt)] = 1.0
        counts = found.sum(2, keepdims=True)
        return found * (NORM / np.sqrt(np.maximum(counts, 1.0)))

    def _columns_of(self, text: str, salt: int) -> list[int]:
        """Returns the columns of the words of a text, less those that are left out."""
        hashes = {zlib.crc32(word.encode()) for word in _WORD.findall(text.lower())}
        kept = (each for each in hashes if _mixed(each ^ salt) >= self._threshold)
        return [each % self._size for each in kept]


def _texts_by_writer(episodes: EpisodeBuffer, row: int) -> Texts:
    """Returns what others wrote in a row, the last of it, and the agent's last lines."""
    others = [episodes.prompts[row], *(reply.text for reply in episodes.replies[row])]
    written = episodes.texts[row][episodes.line_starts[row] :]
    own = [*episodes.turns[row][-1:], written]
    return "\n".join(others), others[-1], "\n".join(own)


def _mixed(number: int) -> int:
    """Returns a number below 2**32 that looks random; CRC-32 alone is linear in its input.

    Source: the finalizer of MurmurHash3, https://github.com/aappleby/smhasher (public domain).
    """
    number = (number ^ number >> 16) * 0x85EBCA6B % _LARGEST_HASH
    number = (number ^ number >> 13) * 0xC2B2AE35 % _LARGEST_HASH
    return number ^ number >> 16
