"""Reading texts with a KV cache of fixed size: a further token takes the entry of an evicted one.

Owns the entries and measures how much attention each of them gets. Knows nothing of text, and does
not decide which entry is evicted.
"""

from typing import NamedTuple

import numpy as np
import torch

from lm_envs.model.base import LanguageModel, inference
from lm_envs.model.batching import make_cache, to_device
from lm_envs.model.kv_cache import KVCache
from lm_envs.model.lm_head import LMHead


class Attention(NamedTuple):
    """How much attention Q tokens of R rows paid to the C entries of their row.

    Attributes:
        mean: (R, Q, C) float32 mean weight over all heads of all layers; sums to 1 over entries.
        peak: (R, Q, C) float32 largest weight of a head.
        layer_peak: (R, Q, C) float32 largest weight of a head of a layer, mean over the layers.
        heads: (R, H, C) float32 weight of each head, layer by layer, summed over the Q tokens; a
            token counts `decay` times as much with each one after it. H is 0 without a `decay`.
    """

    mean: np.ndarray
    peak: np.ndarray
    layer_peak: np.ndarray
    heads: np.ndarray


class BoundedCache:
    """A model and N rows of C entries, each with the keys and values of one token.

    An entry keeps the position that its token has in the text, also after others were evicted.
    Attention is computed in float32. On CPU a row's numbers do not depend on the rows beside it.

    Args:
        model: The network; may be shared.
        head: Its output head.
        num_rows: N.
        size: C, entries of a row.
        decay: Measures the attention of each head, in which a token counts this many times as much
            with each one after it; None to leave it out, which saves memory.

    Attributes:
        size: C.
    """

    def __init__(
        self,
        model: LanguageModel,
        head: LMHead,
        num_rows: int,
        size: int,
        decay: float | None = None,
    ) -> None:
        self.size = size
        self._model, self._head, self._decay = model, head, decay
        self._cache = make_cache(model, num_rows, size)
        future = torch.ones(size, size, dtype=torch.bool, device=model.device).triu(1)
        self._causal = torch.zeros(size, size, device=model.device).masked_fill(future, -torch.inf)

    @inference
    def fill(self, rows: np.ndarray, tokens: np.ndarray) -> Attention:
        """Reads the first C tokens of some rows; token i takes entry i.

        Args:
            rows: (R,) int64 distinct row numbers.
            tokens: (R, C) int64.

        Returns:
            The attention of each token; Q is C.
        """
        places = np.tile(np.arange(self.size), len(rows))
        ids, entries, members = to_device(self._model.device, tokens.ravel(), places, rows)
        attend = self._attention(members, entries, self._causal)
        self._model.forward(ids, entries, attend)
        return _on_host(attend, torch.zeros(0, device=ids.device))[1]

    @inference
    def replace(
        self,
        rows: np.ndarray,
        entries: np.ndarray,
        tokens: np.ndarray,
        positions: np.ndarray,
        targets: np.ndarray,
    ) -> tuple[np.ndarray, Attention]:
        """Reads one more token of some rows, which takes the entry of an evicted one.

        The token sees the entries that are left and itself.

        Args:
            rows: (R,) int64 distinct row numbers.
            entries: (R,) int64 entry of each row that is overwritten.
            tokens: (R,) int64.
            positions: (R,) int64 positions of the tokens in their texts.
            targets: (R,) int64 tokens that follow them.

        Returns:
            The log-probabilities (R,) float32 of the targets, nats, and the attention of the
            tokens; Q is 1.
        """
        arrays = (rows, entries, tokens, positions, targets)
        members, places, ids, at, following = to_device(self._model.device, *arrays)
        attend = self._attention(members, places, self._causal[-1:])
        states = self._model.forward(ids, at, attend)
        return _on_host(attend, self._head.token_logprobs(states, following))

    def _attention(
        self, rows: torch.Tensor, entries: torch.Tensor, bias: torch.Tensor
    ) -> "_MeasuredAttention":
        return _MeasuredAttention(self._cache, rows, entries, self.size, bias, self._decay)


class _MeasuredAttention:
    """Attention of Q tokens in each of R rows to all entries, whose weights are measured.

    Args:
        cache: Holds the entries; those of the new tokens are written first.
        rows: (R,) int64 rows of the cache.
        entries: (R Q,) int64 entry that each token takes.
        size: C, entries of a row.
        bias: (Q, C) float32, added to the scores; -inf hides an entry.
        decay: As in `BoundedCache`.
    """

    def __init__(
        self,
        cache: KVCache,
        rows: torch.Tensor,
        entries: torch.Tensor,
        size: int,
        bias: torch.Tensor,
        decay: float | None,
    ) -> None:
        self._cache, self._rows, self._size, self._bias = cache, rows, size, bias
        self._slot_mapping = cache.slot_mapping(rows.repeat_interleave(len(bias)), entries)
        self._mean = self._peak = torch.zeros(len(rows), *bias.shape, device=rows.device)
        self._layer_peak = self._mean
        self._heads = [self._mean[:, :0]]  # (R, H, C) of each layer
        later = torch.arange(len(bias) - 1, -1, -1, device=rows.device)
        self._counts = None if decay is None else decay**later
        self._num_layers = 0

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(R Q, H, d) queries and (R Q, H_kv, d) keys and values -> (R Q, H d) float32."""
        self._cache.write(layer, self._slot_mapping, keys, values)
        keys, values = self._cache.read(layer, self._size, self._rows)  # (R, H_kv, C, d)
        shape = (len(keys), len(self._bias), keys.shape[1], -1, keys.shape[3])
        grouped = queries.float().view(shape).permute(0, 2, 3, 1, 4)  # (R, H_kv, G, Q, d)
        grouped = grouped.flatten(2, 3) * queries.shape[-1] ** -0.5  # (R, H_kv, G Q, d)
        scores = (grouped @ keys.float().mT).unflatten(2, (-1, len(self._bias)))
        weights = (scores + self._bias).softmax(-1)  # (R, H_kv, G, Q, C)
        self._measure(weights.flatten(1, 2))
        attended = weights.flatten(2, 3) @ values.float()  # (R, H_kv, G Q, d)
        attended = attended.unflatten(2, (-1, len(self._bias))).permute(0, 3, 1, 2, 4)
        return attended.reshape(len(queries), -1)

    def measured(self) -> list[torch.Tensor]:
        """Returns the fields of `Attention` over all layers so far."""
        count, heads = self._num_layers, torch.cat(self._heads, 1)
        return [self._mean / count, self._peak, self._layer_peak / count, heads]

    def _measure(self, weights: torch.Tensor) -> None:
        """Adds the weights (R, H, Q, C) of one layer."""
        largest = weights.amax(1)
        self._mean = self._mean + weights.mean(1)
        self._peak = torch.maximum(self._peak, largest)
        self._layer_peak = self._layer_peak + largest
        if self._counts is not None:
            self._heads.append((weights * self._counts[:, None]).sum(2))
        self._num_layers += 1


def _on_host(attend: _MeasuredAttention, logprobs: torch.Tensor) -> tuple[np.ndarray, Attention]:
    """Log-probabilities (L,) and the measured attention, by one copy from the device."""
    parts = [logprobs, *attend.measured()]
    packed = torch.cat([part.flatten() for part in parts]).cpu().numpy()
    ends = np.cumsum([part.numel() for part in parts])
    first, *fields = [
        values.reshape(part.shape)
        for values, part in zip(np.split(packed, ends[:-1]), parts, strict=True)
    ]
    return first, Attention(*fields)
