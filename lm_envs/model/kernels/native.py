"""Bindings of the C++ kernels for CPUs, which `lm_envs.model.kernels.build` compiles.

Owns the types of the functions' arguments and the checks of what is passed. Tensors whose
addresses are passed are held by local names or attributes until the function returns.
"""

import ctypes
from typing import Any

import torch

from lm_envs.model.attention import Extension
from lm_envs.model.kernels import build
from lm_envs.model.kernels.base import HeadNorms, LayerNorm, RMSNorm, TopTokens
from lm_envs.model.kernels.linear import PackedInt8Linear, PackedLinear
from lm_envs.model.kernels.native_attention import NativeAttention, index_error
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.kv_cache import KVCache

LANES = 16
"""Sizes of heads, hidden states and perceptrons must be multiples of this; see `select`."""

_DTYPE_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
_TYPES = {"p": ctypes.c_void_p, "n": ctypes.c_int64, "i": ctypes.c_int, "f": ctypes.c_float}
_PARAMETERS = {
    "embed": "pppppnnnni",
    "add_norm": "ppppfpnni",
    "add_norm_to_float": "ppppfpnni",
    "add_rms_norm": "pppfpnni",
    "add_rms_norm_to_float": "pppfpnni",
    "rotate": "ppppfnnnnni",
    "silu_product": "ppnni",
    "attend": "pppnpppppnnnnnni",
    "attend_int8": "pppnpppppppnnnnnni",
    "token_logits": "pppppnnnni",
    "quantize": "pppnni",
    "dequantize": "pppipnni",
    "top_k": "ppppinpppnnnni",
    "linear": "pppipnnni",
    "linear_int8": "ppppppipnnni",
}
"""Types of each function's arguments: pointer, size (64 bits), int, float."""
_COUNTS_INVALID = ("embed", "attend", "attend_int8", "token_logits")
"""Functions that return how many indices were out of range; they read and write none of those."""


def kernels(dtype: torch.dtype) -> "NativeKernels | None":
    """Kernels for this type of linears; None where there is no library."""
    library = build.library()
    return NativeKernels(library, dtype) if isinstance(library, ctypes.CDLL) else None


class NativeKernels(TorchKernels):
    """The C++ kernels for one type of linears; what is missing here is computed by PyTorch.

    Args:
        library: The compiled library.
        dtype: float32 or bfloat16.
    """

    longest_prompt = 128
    """For longer prompts PyTorch's attention is faster: its queries share what they read."""

    is_row_invariant = True

    def __init__(self, library: ctypes.CDLL, dtype: torch.dtype) -> None:
        functions = {name: _function(library, name, dtype) for name in _PARAMETERS}
        # The library has these two only where the processor has instructions for them.
        self._linear, self._linear_int8 = functions["linear"], functions["linear_int8"]
        self._embed = functions["embed"]
        self._attend = {dtype: functions["attend"], torch.int8: functions["attend_int8"]}
        self._add_norm = {dtype: functions["add_norm"]}
        self._add_norm.setdefault(torch.float32, functions["add_norm_to_float"])
        self._add_rms_norm = {dtype: functions["add_rms_norm"]}
        self._add_rms_norm.setdefault(torch.float32, functions["add_rms_norm_to_float"])
        self._rotate, self._silu_product = functions["rotate"], functions["silu_product"]
        self._token_logits, self._top_k = functions["token_logits"], functions["top_k"]
        self._quantize, self._dequantize = functions["quantize"], functions["dequantize"]

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool, int8: bool
    ) -> PackedLinear | PackedInt8Linear | None:
        """See `Kernels`."""
        if int8 and self._linear_int8:
            return PackedInt8Linear(self._linear_int8, self.quantize, weight, bias, gelu=gelu)
        if not int8 and self._linear:
            return PackedLinear(self._linear, weight, bias, gelu=gelu)
        return None

    def embed(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        token_embeddings: torch.Tensor,
        position_embeddings: torch.Tensor,
    ) -> torch.Tensor:
        """See `Kernels`."""
        x = position_embeddings.new_empty(len(tokens), position_embeddings.shape[1])
        tokens, positions = tokens.contiguous(), positions.contiguous()
        num_invalid = self._embed(
            tokens.data_ptr(),
            positions.data_ptr(),
            token_embeddings.data_ptr(),
            position_embeddings.data_ptr(),
            x.data_ptr(),
            *(*x.shape, len(token_embeddings), len(position_embeddings)),
            torch.get_num_threads(),
        )
        if num_invalid:
            raise index_error(num_invalid)
        return x

    def add_norm(
        self, x: torch.Tensor, update: torch.Tensor | None, norm: LayerNorm, dtype: torch.dtype
    ) -> torch.Tensor:
        """See `Kernels`."""
        gain, bias, epsilon = norm
        out = torch.empty_like(x, dtype=dtype)
        update = None if update is None else update.contiguous()
        self._add_norm[dtype](
            x.data_ptr(),
            None if update is None else update.data_ptr(),
            gain.data_ptr(),
            bias.data_ptr(),
            epsilon,
            out.data_ptr(),
            *x.shape,
            torch.get_num_threads(),
        )
        return out

    def add_rms_norm(
        self, x: torch.Tensor, update: torch.Tensor | None, norm: RMSNorm, dtype: torch.dtype
    ) -> torch.Tensor:
        """See `Kernels`."""
        out = torch.empty_like(x, dtype=dtype)
        update = None if update is None else update.contiguous()
        self._add_rms_norm[dtype](
            x.data_ptr(),
            None if update is None else update.data_ptr(),
            norm.gain.data_ptr(),
            norm.epsilon,
            out.data_ptr(),
            *x.shape,
            torch.get_num_threads(),
        )
        return out

    def rotate(
        self,
        qkv: torch.Tensor,
        turns: torch.Tensor,
        heads: tuple[int, int],
        norms: HeadNorms | None,
    ) -> None:
        """See `Kernels`."""
        self._rotate(
            qkv.data_ptr(),
            turns.data_ptr(),
            None if norms is None else norms.query_gain.data_ptr(),
            None if norms is None else norms.key_gain.data_ptr(),
            0.0 if norms is None else norms.epsilon,
            *(*qkv.shape, *heads, turns.shape[1]),
            torch.get_num_threads(),
        )

    def silu_product(self, x: torch.Tensor) -> torch.Tensor:
        """See `Kernels`."""
        x = x.contiguous()
        out = x.new_empty(len(x), x.shape[1] // 2)
        self._silu_product(x.data_ptr(), out.data_ptr(), *out.shape, torch.get_num_threads())
        return out

    def decode_attention(
        self, cache: KVCache, positions: torch.Tensor, context_len: int
    ) -> NativeAttention:
        """See `Kernels`."""
        return NativeAttention(self._attend[cache.dtype], cache, None, positions.contiguous())

    def extend_attention(self, cache: KVCache, extension: Extension) -> NativeAttention:
        """See `Kernels`."""
        rows, starts, sizes = extension.rows, extension.starts, extension.sizes
        before = sizes.cumsum(0) - sizes
        shifts = (starts - before).repeat_interleave(sizes)
        positions = torch.arange(extension.num_tokens) + shifts
        function = self._attend[cache.dtype]
        return NativeAttention(function, cache, rows.repeat_interleave(sizes), positions)

    def token_logits(
        self,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        tokens: torch.Tensor,
    ) -> torch.Tensor:
        """See `Kernels`."""
        hidden, tokens = hidden.contiguous(), tokens.contiguous()
        logits = torch.empty_like(tokens, dtype=torch.float32)
        num_invalid = self._token_logits(
            hidden.data_ptr(),
            embeddings.data_ptr(),
            None if center is None else center.data_ptr(),
            tokens.data_ptr(),
            logits.data_ptr(),
            *(*hidden.shape, len(embeddings), tokens.shape[1]),
            torch.get_num_threads(),
        )
        if num_invalid:
            raise index_error(num_invalid)
        return logits

    def quantize(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Kernels`."""
        x = x.contiguous()
        values, scales = torch.empty_like(x, dtype=torch.uint8), torch.empty(len(x))
        self._quantize(
            x.data_ptr(), values.data_ptr(), scales.data_ptr(), *x.shape, torch.get_num_threads()
        )
        return values, scales

    def dequantize(
        self,
        sums: torch.Tensor,
        scales: torch.Tensor,
        bias: torch.Tensor | None,
        *,
        gelu: bool,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """See `Kernels`."""
        out = torch.empty_like(sums, dtype=dtype)
        self._dequantize(
            sums.data_ptr(),
            scales.data_ptr(),
            None if bias is None else bias.data_ptr(),
            gelu,
            out.data_ptr(),
            *sums.shape,
            torch.get_num_threads(),
        )
        return out

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
        logits, hidden = logits.contiguous(), hidden.contiguous()
        num_rows, vocab_size = logits.shape
        candidates = torch.empty(num_rows, count, dtype=torch.int64)
        logprobs, log_z = torch.empty(num_rows, count), torch.empty(num_rows)
        self._top_k(
            logits.data_ptr(),
            hidden.data_ptr(),
            embeddings.data_ptr(),
            None if center is None else center.data_ptr(),
            center is None,
            required,
            candidates.data_ptr(),
            logprobs.data_ptr(),
            log_z.data_ptr(),
            *(num_rows, vocab_size, hidden.shape[1], count),
            torch.get_num_threads(),
        )
        return TopTokens(candidates, logprobs, log_z)


def _function(library: ctypes.CDLL, name: str, dtype: torch.dtype) -> Any:  # noqa: ANN401 - ctypes
    """A function of the library for this type; None where the library has none."""
    symbol = f"{name}_{_DTYPE_NAMES[dtype]}"
    if not hasattr(library, symbol):
        return None
    function = library[symbol]
    function.argtypes = [_TYPES[letter] for letter in _PARAMETERS[name]]
    function.restype = ctypes.c_int if name in _COUNTS_INVALID else None
    return function
