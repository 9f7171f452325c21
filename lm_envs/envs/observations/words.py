"""Words of the text as numbers: a feature that needs no model.

Owns what a word is and where it is shown. Knows nothing of tasks, rewards or action kinds.
"""

import re
import zlib
from collections.abc import Mapping

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.features import Bounds
from lm_envs.model.engine import Outputs
from lm_envs.tasks.rewards.text_normalization import CJK
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_count, check_number

NORM = 2.0
"""Length of the vector of words: with 1 the first layer of a policy learns more slowly."""

LAST_LINES = 3
"""The line that is being written and the two before it: those of both speakers."""

_WORD = re.compile(rf"[{CJK}]|[^\W{CJK}]+|[^\w\s]")
_LARGEST_HASH = 2**32


class Words:
    """Which words the text has, the prompt included, and which its last three lines have.

    `words` and `last_words`, `size` columns each: 2 / sqrt(n) for each of the n different words, in
    lower case; punctuation marks and CJK characters are words. A word's column is its CRC-32 modulo
    `size`, so that words can share one.

    With `dropout` a share of the words is left out, so that a policy does not rely on single ones;
    which ones depends on the text alone. It is meant for training: `agents` evaluates without it.

    Args:
        tokenizer: Decodes the text.
        size: Number of columns of each of the two.
        dropout: Share of the words that is left out, 0 <= dropout < 1.

    Raises:
        ValueError: If an argument is not allowed.

    Source: feature hashing, Weinberger et al. 2009, https://arxiv.org/abs/0902.2206.
    """

    def __init__(self, tokenizer: Tokenizer, size: int, dropout: float) -> None:
        check_count("size", size)
        check_number("dropout", dropout)
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"Got dropout={dropout!r}; allowed: 0 <= dropout < 1.")
        self._tokenizer, self._size = tokenizer, size
        self._threshold = dropout * _LARGEST_HASH
        zeros, most = np.zeros(size), np.full(size, NORM)
        self.columns: Mapping[str, Bounds] = {"words": (zeros, most), "last_words": (zeros, most)}

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 2 size)."""
        contexts = episodes.contexts_of(np.arange(len(episodes.contexts)))
        found = np.zeros((len(contexts), 2, self._size), np.float32)
        for places, context in zip(found, contexts, strict=True):
            text = self._tokenizer.decode(context).lower()
            salt = zlib.crc32(text.encode())
            for each, part in zip(places, (text, _last_lines(text)), strict=True):
                each[self._columns_of(part, salt)] = 1.0
        counts = found.sum(2, keepdims=True)
        return (found * (NORM / np.sqrt(np.maximum(counts, 1.0)))).reshape(len(found), -1)

    def _columns_of(self, text: str, salt: int) -> list[int]:
        """Returns the columns of the words of a text, less those that are left out."""
        words = {word.encode() for word in _WORD.findall(text)}
        kept = (word for word in words if zlib.crc32(word, salt) >= self._threshold)
        return [zlib.crc32(word) % self._size for word in kept]


def _last_lines(text: str) -> str:
    return "\n".join(text.split("\n")[-LAST_LINES:])
