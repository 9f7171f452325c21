"""What is known of the entries of N bounded KV caches: their tokens' age, surprise and attention.

Owns the statistics that observations show. Knows no model and no reward.
"""

from collections.abc import Mapping

import numpy as np

from lm_envs.envs.observations.features import Bounds
from lm_envs.model.state.bounded_cache import Attention

DECAY = 0.9
"""Factor by which attention counts less with each token that was read since."""

LEAST_SHARE = 1e-5
"""Smaller shares of attention count as this in logarithms."""

LARGEST_SURPRISE = 20.0
"""Bound of a token's surprise in observations, nats."""

NAMES = (
    "log_age",
    "log_position",
    "surprise",
    "log_attention",
    "log_peak_attention",
    "log_recent_attention",
    "log_recent_peak",
    "log_mean_attention",
)
"""Names of the columns, which have one number for each entry, from the oldest to the newest."""

HEADS = "log_head_attention"
"""Name of the columns with one number for each head and entry, head by head."""


class CacheEntries:
    """Statistics of the C entries of each of N rows.

    Args:
        num_rows: N.
        size: C.
        longest: Most tokens of a text.
        num_heads: H, heads whose attention is shown each; 0 for none.

    Attributes:
        positions: (N, C) int64 position of each entry's token in its text.
        tokens: (N, C) int64.
        bounds: Bounds of the columns by name, (C,) each, and of `HEADS`, (H C,), if H is not 0.
    """

    def __init__(self, num_rows: int, size: int, longest: int, num_heads: int = 0) -> None:
        shape = (num_rows, size)
        self.positions, self.tokens = np.zeros((2, *shape), np.int64)
        self._surprise = np.zeros(shape)
        # Of the last token, recently, and altogether: mean over heads and layers, and largest.
        self._now, self._peak, self._recent, self._recent_peak, self._total = np.zeros((5, *shape))
        self._heads = np.zeros((num_rows, num_heads, size), np.float32)  # recently
        ones = np.ones(size)
        share = (np.log(LEAST_SHARE) * ones, 0.0 * ones)
        place = (0.0 * ones, np.log1p(longest) * ones)
        surprise = (0.0 * ones, LARGEST_SURPRISE * ones)
        self.bounds: Mapping[str, Bounds] = dict(
            zip(NAMES, (place, place, surprise, *[share] * 5), strict=True)
        )
        if num_heads:
            low, high = share
            self.bounds = {**self.bounds, HEADS: (low.repeat(num_heads), high.repeat(num_heads))}

    @property
    def order(self) -> np.ndarray:
        """(N, C) int64 entries of each row from the oldest token to the newest."""
        return self.positions.argsort(1)

    def fill(
        self, rows: np.ndarray, tokens: np.ndarray, surprise: np.ndarray, attention: Attention
    ) -> None:
        """Sets the entries of rows to the first C tokens of a text.

        Args:
            rows: (R,) row numbers.
            tokens: (R, C) int64.
            surprise: (R, C) negative log-probability of each token, nats.
            attention: Of each of them; Q is C.
        """
        size = self.positions.shape[1]
        weights = DECAY ** np.arange(size)[::-1, None]
        self.positions[rows], self.tokens[rows] = np.arange(size), tokens
        self._surprise[rows] = surprise
        self._now[rows], self._peak[rows] = attention.mean[:, -1], attention.peak[:, -1]
        self._recent[rows] = (1.0 - DECAY) * (weights * attention.mean).sum(1)
        self._recent_peak[rows] = (weights * attention.peak).max(1)
        self._total[rows] = attention.mean.sum(1)
        self._heads[rows] = (1.0 - DECAY) * attention.heads

    def replace(
        self,
        rows: np.ndarray,
        entries: np.ndarray,
        tokens: np.ndarray,
        positions: np.ndarray,
        surprise: np.ndarray,
        attention: Attention,
    ) -> None:
        """Sets one entry of each of some rows to a new token, which pays attention to all.

        Args:
            rows: (R,) row numbers.
            entries: (R,) int64 entry of each row.
            tokens: (R,) int64.
            positions: (R,) int64.
            surprise: (R,) nats.
            attention: Of the new tokens; Q is 1.
        """
        for values in (self._recent, self._recent_peak, self._total):
            values[rows, entries] = 0.0
        self._heads[rows, :, entries] = 0.0
        self.positions[rows, entries], self.tokens[rows, entries] = positions, tokens
        self._surprise[rows, entries] = surprise
        now, peak = attention.mean[:, 0], attention.peak[:, 0]
        self._now[rows], self._peak[rows] = now, peak
        self._recent[rows] = DECAY * self._recent[rows] + (1.0 - DECAY) * now
        self._recent_peak[rows] = np.maximum(DECAY * self._recent_peak[rows], peak)
        self._total[rows] += now
        self._heads[rows] = DECAY * self._heads[rows] + (1.0 - DECAY) * attention.heads

    def columns(self) -> np.ndarray:
        """Returns (N, 8 + H, C): `NAMES`, then the heads; not clipped to their bounds."""
        named, order = self._named(), self.order[:, None]
        heads = np.log(np.maximum(self._heads, LEAST_SHARE))
        return np.take_along_axis(np.concatenate([named, heads], 1), order, 2)

    def _named(self) -> np.ndarray:
        """Returns the columns of `NAMES`, (N, 8, C), in the order of the entries."""
        ages = self.positions.max(1, keepdims=True) - self.positions
        shares = np.stack(
            [self._now, self._peak, self._recent, self._recent_peak, self._total / (ages + 1)], 1
        )
        places = np.stack([np.log1p(ages), np.log1p(self.positions), self._surprise], 1)
        logs = np.log(np.maximum(shares, LEAST_SHARE))
        return np.concatenate([places, logs], 1).astype(np.float32)
