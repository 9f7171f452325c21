"""Texts that a reader proposes, as tokens: how they go on after what is written.

Knows no reader, no policy and no reward.
"""

from collections.abc import Sequence

import numpy as np


def padded(texts: Sequence[np.ndarray], end_token: int) -> np.ndarray:
    """Returns the tokens of texts (R, T), each with one end token or more behind it."""
    width = max(map(len, texts), default=0) + 1
    found = np.full((len(texts), width), end_token, np.int64)
    for row, ids in enumerate(texts):
        found[row, : len(ids)] = ids
    return found


def continuations(tokens: np.ndarray, written: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns which texts differ in the fewest tokens from what is written, and how they go on.

    Args:
        tokens: (R, T) of one text or more, as `padded` returns them.
        written: (S,).

    Returns:
        Whether a text counts (R,), and the next token of each that does.
    """
    place = min(len(written), tokens.shape[1] - 1)
    wrong = (tokens[:, :place] != written[:place]).sum(1)
    kept = wrong == wrong.min()
    return kept, tokens[kept, place]
