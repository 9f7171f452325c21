"""What a GPT-2 computes, and who computes it.

Owns the choice: kernels of our own on a CPU where a compiler is at hand, PyTorch's elsewhere.
"""

from collections.abc import Callable
from typing import Protocol

import torch

from lm_envs.model.kernels import native
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.kv_cache import Attend, KVCache
from lm_envs.model.logits import TopTokens

Product = Callable[[torch.Tensor], torch.Tensor]
"""A linear layer: (M, inputs) -> (M, outputs)."""


class Kernels(Protocol):
    """The operations of a forward pass.

    M tokens, N rows, D columns, V words; T is the type of the linears.

    Attributes:
        longest_prompt: Prompts of up to so many tokens are read faster by `extend`, all together,
            than padded, by PyTorch's attention.
    """

    longest_prompt: int

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool, int8: bool
    ) -> Product | None:
        """A layer of weights (outputs, inputs) in T; None where PyTorch's is as fast.

        Its factors are rounded to 8 bits if `int8`.
        """
        ...

    def embed(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        words: torch.Tensor,
        places: torch.Tensor,
    ) -> torch.Tensor:
        """(M, D) float32: of `words` (V, D) in T and `places` (P, D) float32 those of M tokens."""
        ...

    def add_norm(
        self,
        x: torch.Tensor,
        y: torch.Tensor | None,
        norm: tuple[torch.Tensor, torch.Tensor, float],
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """Adds `y` (M, D) in T to `x` (M, D) float32 in place; the norm of the sum in `dtype`.

        `norm` is its gain (D,), its bias (D,), and what is added to the variance.
        """
        ...

    def decode(self, slots: KVCache, positions: torch.Tensor, context_len: int) -> Attend:
        """Attention of one new token a row, at `positions` (N,) int64, to its slot.

        The token's key and value are written first. `context_len` is more than every position.
        """
        ...

    def extend(
        self,
        slots: KVCache,
        rows: torch.Tensor,
        starts: torch.Tensor,
        sizes: torch.Tensor,
        context_len: int,
    ) -> Attend:
        """Attention of further tokens of R rows to their slots, each up to and with itself.

        Of row `rows[i]` come `sizes[i]` tokens from position `starts[i]` on; flat, row after row.
        Their keys and values are written first. `context_len` is more than every position.
        """
        ...

    def read(
        self,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        words: torch.Tensor,
    ) -> torch.Tensor:
        """Logits (N, K) float32 of `words` (N, K) after `hidden` (N, D) float32.

        `center` (D,) is taken from the embeddings (V, D).
        """
        ...

    def quantize(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes (M, D) uint8 of `x` (M, D) in T, 128 for 0, and the rows' scales (M,) float32.

        A code less 128, times its row's scale, is what it stands for.
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
        """`sums` (M, D) float32 times their row's scale (M,), and a bias (D,) float32; in T.

        Optionally followed by GELU (tanh form). T is `dtype`.
        """
        ...

    def best(
        self,
        logits: torch.Tensor,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        count: int,
        always: int,
    ) -> TopTokens:
        """The `count` best next words by `logits` (N, V) in T, ties by id.

        Where there is a `center`, the logits are rounded: the words found are judged and ordered by
        `read`. The word `always` takes the last place where it is not among them.
        """
        ...


def kernels_for(width: int, head_size: int, dtype: torch.dtype, device: torch.device) -> Kernels:
    """Kernels for a GPT-2 of such a shape."""
    made = native.kernels(dtype) if device.type == "cpu" else None
    is_whole = width % native.LANES == 0 and head_size % native.LANES == 0
    return made if made is not None and is_whole else TorchKernels()
