"""The operations of a forward pass that a backend supplies, as a protocol.

Owns the signatures. Knows nothing of the backends: PyTorch's operations are in `torch_ops`, C++
kernels in `native`; `select` chooses between them.
"""

from typing import NamedTuple, Protocol

import torch

from lm_envs.model.attention import Attend, Extension
from lm_envs.model.kv_cache import KVCache


class LinearLayer(Protocol):
    """A linear layer."""

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Its weights and biases as they are stored; the same for all layers of one shape."""
        ...

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        ...


class LayerNorm(NamedTuple):
    """Parameters of a layer norm, float32 whatever the type of the linears."""

    gain: torch.Tensor  # (D,)
    bias: torch.Tensor  # (D,)
    epsilon: float  # added to the variance


class RMSNorm(NamedTuple):
    """Parameters of a root-mean-square norm, float32 whatever the type of the linears."""

    gain: torch.Tensor  # (D,)
    epsilon: float  # added to the mean square


class HeadNorms(NamedTuple):
    """Parameters of RMS norms of single queries and keys, float32."""

    query_gain: torch.Tensor  # (d,)
    key_gain: torch.Tensor  # (d,)
    epsilon: float  # added to the mean square


class TopTokens(NamedTuple):
    """The most likely next tokens after N hidden states."""

    candidates: torch.Tensor  # (N, K) int64, most likely first
    logprobs: torch.Tensor  # (N, K) float32
    log_z: torch.Tensor  # (N,) float32, log of the sum of exponentiated logits


class Kernels(Protocol):
    """The operations of a forward pass.

    M tokens, N rows, D columns, a vocabulary of V tokens; T is the type of the linears.

    Attributes:
        longest_prompt: Prompts of up to this many tokens are faster by `extend_attention`, all
            together, than padded by PyTorch's attention.
        any_length: Upper bounds do for the lengths that these methods are given as numbers: what is
            recorded for one length of the texts serves all shorter ones.
        is_row_invariant: A row's numbers are the same bits whatever rows are computed with it, and
            however many.
    """

    longest_prompt: int
    any_length: bool
    is_row_invariant: bool

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool, int8: bool
    ) -> LinearLayer | None:
        """A layer of weights (outputs, inputs) in T; None where PyTorch's is as fast.

        With `int8`, weights and inputs are rounded to 8 bits before they are multiplied.
        """
        ...

    def embed(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        token_embeddings: torch.Tensor,
        position_embeddings: torch.Tensor,
    ) -> torch.Tensor:
        """Sum (M, D) float32 of the embeddings of M tokens and of their positions.

        Args:
            tokens: (M,) int64.
            positions: (M,) int64.
            token_embeddings: (V, D) in T.
            position_embeddings: (P, D) float32.
        """
        ...

    def add_norm(
        self, x: torch.Tensor, update: torch.Tensor | None, norm: LayerNorm, dtype: torch.dtype
    ) -> torch.Tensor:
        """Adds `update` (M, D) in T to `x` (M, D) float32 in place; None adds nothing.

        Returns:
            The norm (M, D) of the sum, in `dtype`.
        """
        ...

    def add_rms_norm(
        self, x: torch.Tensor, update: torch.Tensor | None, norm: RMSNorm, dtype: torch.dtype
    ) -> torch.Tensor:
        """As `add_norm`, with a norm that neither subtracts the mean nor adds a bias."""
        ...

    def rotate(
        self,
        qkv: torch.Tensor,
        turns: torch.Tensor,
        heads: tuple[int, int],
        norms: HeadNorms | None,
    ) -> None:
        """Norms queries and keys, if at all, and turns them to their positions, in place.

        Args:
            qkv: (M, (H + 2 H_kv) d) in T, contiguous: queries, keys and values of M tokens.
            turns: (M, d) float32, cosines and then sines of each token's angles. Number i of a
                head is paired with number i + d / 2.
            heads: H and H_kv.
            norms: Of the queries and keys, before they are turned; None for none.
        """
        ...

    def silu_product(self, x: torch.Tensor) -> torch.Tensor:
        """SiLU of the first half of each row of (M, 2 I) in T, times the second half: (M, I)."""
        ...

    def decode_attention(self, cache: KVCache, positions: torch.Tensor, context_len: int) -> Attend:
        """Attention of one new token in each row, at `positions` (N,) int64, to its slot.

        The token's key and value are written first. `context_len` is more than every position.
        """
        ...

    def extend_attention(self, cache: KVCache, extension: Extension) -> Attend:
        """Attention of new tokens to their rows' slots, each up to and including itself.

        Their keys and values are written first.
        """
        ...

    def prefill_attention(self, cache: KVCache | None, rows: torch.Tensor, width: int) -> Attend:
        """Causal attention inside texts of `width` tokens, padding included.

        Their keys and values are written to the slots of `rows` (R,) int64, from position 0 on.
        Without a cache nothing is written, and only the number of rows counts.
        """
        ...

    def option_attention(
        self,
        cache: KVCache,
        rows: torch.Tensor,
        lengths: torch.Tensor,
        context_len: int,
        shape: tuple[int, int],
    ) -> Attend:
        """Attention of O alternative continuations of T tokens: to their row's slot and causally.

        `shape` is (O, T). Row `rows[i]` has `lengths[i]` tokens, at most `context_len`. Nothing is
        written.
        """
        ...

    def token_logits(
        self,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        tokens: torch.Tensor,
    ) -> torch.Tensor:
        """Logits (N, K) float32 of `tokens` (N, K) int64 after `hidden` (N, D) float32.

        `center` (D,) float32 is subtracted from the embeddings (V, D).
        """
        ...

    def log_sum_exp(self, logits: torch.Tensor, finite: torch.Tensor) -> torch.Tensor:
        """Log of the sum of exponentials, (N,), of (N, V) float32.

        Args:
            logits: (N, V); some may be -inf.
            finite: (N,) int64, a column of each row with a finite logit.
        """
        ...

    def quantize(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rounds the rows of `x` (M, D) in T: values (M, D) uint8 and scales (M,) float32.

        (value - 128) * scale approximates the original number.
        """
        ...

    def dequantize(
        self,
        sums: torch.Tensor,
        scales: torch.Tensor,
        bias: torch.Tensor | None,
        *,
        gelu: bool,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """`sums` (M, D) float32 times the scale of their row (M,), plus `bias` (D,) float32.

        Optionally followed by GELU (tanh form). The result has the type `dtype`.
        """
        ...

    def top_k(
        self,
        logits: torch.Tensor,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        count: int,
        required: int,
    ) -> TopTokens:
        """The `count` most likely next tokens by `logits` (N, V) in T, ties by id.

        With a `center`, `logits` are rounded: the tokens found are ordered by `token_logits`
        instead. The token `required` takes the last place where it is not among them.
        """
        ...
