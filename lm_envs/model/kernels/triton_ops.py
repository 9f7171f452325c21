"""The kernels in Triton, for CUDA; see `lm_envs.model.kernels.base.Kernels`.

Owns how the kernels of `triton_attention` and `triton_rows` are launched. Imported only where
Triton is installed.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false, reportCallIssue=false, reportArgumentType=false
# Triton is optional and untyped.

import math
import os

import torch
import triton

from lm_envs.model.attention import Extension
from lm_envs.model.kernels import triton_attention, triton_rows
from lm_envs.model.kernels.base import LayerNorm, LinearLayer, TopTokens
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.kernels.triton_top_k import power_of_two, top_k
from lm_envs.model.kv_cache import KVCache

TILE = 16
"""New tokens of a sequence that one program attends from: the fewest that tensor cores multiply."""

BLOCK = 64
"""Keys that a program reads together."""

DECODE_BLOCK, DECODE_WARPS = 32, 1
"""The same and the number of warps where each row has one query, in bfloat16; the fastest on an
H100 from 64 rows on."""

INT8_BLOCK, WARPS = 32, 4
"""Keys of an int8 cache that are read together, and in float32 those of joined blocks; and the
number of warps in other programs. Products of float32 need so many registers that with one warp, or
twice the keys, they would not fit."""

FEW_PROGRAMS = 256
"""With fewer programs than this a card is not full, and more warps a program are faster."""

IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton runs the kernels on CPU, to test them."""

MOST_CANDIDATES = 128
"""More candidates than this are searched by PyTorch: a program keeps them all in registers."""


class TritonAttention:
    """Attention of M new tokens of S sequences; see `triton_attention`.

    Args:
        cache: Keys and values of the rows; None where the sequences start with their first token.
        tiles: (tiles, 5) int32 from `make_tiles`; or the positions (N,) int64 of one new token in
            each row.
        stores: Write the new keys and values to the cache.
        joins: Divide a text into blocks in one way only, whatever is launched: a token's numbers
            depend on its text alone.
    """

    def __init__(
        self, cache: KVCache | None, tiles: torch.Tensor, *, stores: bool, joins: bool
    ) -> None:
        self._cache, self._tiles, self._stores, self._joins = cache, tiles, stores, joins

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(M, H, d) queries and (M, H_kv, d) keys and values -> (M, H d) in the queries' type.

        The three are parts of one tensor (M, ·).
        """
        assert queries.stride(0) == keys.stride(0) == values.stride(0)
        num_tokens, num_heads, size = queries.shape
        outputs = queries.new_empty(num_tokens, num_heads * size)
        cache, decodes = self._cache, self._tiles.ndim == 1
        is_full = decodes and num_tokens * num_heads >= FEW_PROGRAMS and not self._joins
        slots = (keys, values) if cache is None else cache.layers[layer]
        is_int8 = len(slots) == 4  # keys, their scales, values, their scales
        is_small = is_int8 or (self._joins and queries.dtype == torch.float32)
        is_narrow = is_full and not is_int8 and queries.dtype == torch.bfloat16
        stored = (*slots[::2], *slots[1::2]) if is_int8 else (*slots, *slots)
        arguments = (queries, keys, values, outputs, *stored, self._tiles, queries.stride(0))
        triton_attention.attend[(len(self._tiles), num_heads)](
            *arguments,
            0 if cache is None else cache.capacity,
            size**-0.5 * math.log2(math.e),
            HEADS=num_heads,
            KV_HEADS=keys.shape[1],
            SIZE=size,
            COLUMNS=power_of_two(size),
            TILE=TILE,
            BLOCK=INT8_BLOCK if is_small else DECODE_BLOCK if is_full else BLOCK,
            OWN_BLOCK=TILE if decodes or is_int8 else BLOCK,
            HAS_CACHE=cache is not None,
            STORES=self._stores,
            DECODES=decodes,
            JOINS=self._joins,
            INT8=is_int8,
            UPCASTS=IS_INTERPRETED,
            num_warps=DECODE_WARPS if is_narrow else WARPS,
        )
        return outputs


class FusedGELULinear:
    """A linear layer with GELU (tanh form) in the product's kernel, on CUDA.

    Args:
        weight: (outputs, inputs).
        bias: (outputs,), in the same type.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        self.tensors = (weight, bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        weight, bias = self.tensors
        return torch.ops.aten._addmm_activation(bias, x, weight.t(), use_gelu=True)


class TritonKernels(TorchKernels):
    """Each kernel as one Triton kernel; what is missing here is computed by PyTorch."""

    longest_prompt = 2**31
    any_length = True

    def attention(
        self, cache: KVCache | None, tiles: torch.Tensor, *, stores: bool
    ) -> TritonAttention:
        """Attention of all kinds; see `TritonAttention`."""
        return TritonAttention(cache, tiles, stores=stores, joins=self.is_row_invariant)

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool, int8: bool
    ) -> LinearLayer | None:
        """A layer with GELU in the product's kernel; None for PyTorch's."""
        if not gelu or bias is None or weight.device.type != "cuda":
            return None
        return FusedGELULinear(weight.contiguous(), bias.to(weight.dtype).contiguous())

    def embed(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        token_embeddings: torch.Tensor,
        position_embeddings: torch.Tensor,
    ) -> torch.Tensor:
        """See `Kernels`."""
        size = token_embeddings.shape[1]
        x = torch.empty(len(tokens), size, device=tokens.device)
        triton_rows.embed[(len(tokens),)](
            tokens,
            positions,
            token_embeddings,
            position_embeddings,
            x,
            SIZE=size,
            COLUMNS=power_of_two(size),
        )
        return x

    def add_norm(
        self, x: torch.Tensor, update: torch.Tensor | None, norm: LayerNorm, dtype: torch.dtype
    ) -> torch.Tensor:
        """See `Kernels`."""
        outputs = torch.empty_like(x, dtype=dtype)
        triton_rows.add_norm[(len(x),)](
            x,
            x if update is None else update,
            norm.gain,
            norm.bias,
            outputs,
            norm.epsilon,
            SIZE=x.shape[1],
            COLUMNS=power_of_two(x.shape[1]),
            HAS_UPDATE=update is not None,
            CENTERS=True,
        )
        return outputs

    def decode_attention(
        self, cache: KVCache, positions: torch.Tensor, context_len: int
    ) -> TritonAttention:
        """See `Kernels`; `context_len` is not needed."""
        return self.attention(cache, positions, stores=True)

    def extend_attention(self, cache: KVCache, extension: Extension) -> TritonAttention:
        """See `Kernels`."""
        rows, starts, sizes, num_tokens, *_ = extension
        return self.attention(cache, _tiles(rows, starts, sizes, num_tokens), stores=True)

    def prefill_attention(
        self, cache: KVCache | None, rows: torch.Tensor, width: int
    ) -> TritonAttention:
        """See `Kernels`."""
        starts, sizes = torch.zeros_like(rows), torch.full_like(rows, width)
        tiles = _tiles(rows, starts, sizes, len(rows) * width)
        return self.attention(cache, tiles, stores=cache is not None)

    def option_attention(
        self,
        cache: KVCache,
        rows: torch.Tensor,
        lengths: torch.Tensor,
        context_len: int,
        shape: tuple[int, int],
    ) -> TritonAttention:
        """See `Kernels`; `context_len` is not needed."""
        num_options, width = shape
        rows, starts = rows.repeat_interleave(num_options), lengths.repeat_interleave(num_options)
        tiles = _tiles(rows, starts, torch.full_like(rows, width), len(rows) * width)
        return self.attention(cache, tiles, stores=False)

    def token_logits(
        self,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        tokens: torch.Tensor,
    ) -> torch.Tensor:
        """See `Kernels`."""
        tokens, hidden = tokens.contiguous(), hidden.contiguous()
        logits = torch.empty(tokens.shape, device=hidden.device)
        triton_rows.token_logits[tokens.shape](
            hidden,
            embeddings,
            embeddings if center is None else center,
            tokens,
            logits,
            tokens.shape[1],
            SIZE=embeddings.shape[1],
            COLUMNS=power_of_two(embeddings.shape[1]),
            HAS_CENTER=center is not None,
        )
        return logits

    def top_k(
        self,
        logits: torch.Tensor,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        count: int,
        required: int,
    ) -> TopTokens:
        """See `Kernels`."""
        if count > MOST_CANDIDATES:
            return super().top_k(logits, hidden, embeddings, center, count, required)
        return top_k(logits, hidden.contiguous(), embeddings, center, count, required)


def _tiles(
    rows: torch.Tensor, starts: torch.Tensor, sizes: torch.Tensor, num_tokens: int
) -> torch.Tensor:
    """The tiles (T, 5) int32 of S sequences with `num_tokens` new tokens together."""
    most = triton.cdiv(num_tokens, TILE) + len(rows)
    tiles = torch.empty(most, 5, dtype=torch.int32, device=rows.device)
    slots = power_of_two(len(rows))
    triton_attention.make_tiles[(most,)](
        rows, starts, sizes, tiles, len(rows), TILE=TILE, SLOTS=slots
    )
    return tiles
