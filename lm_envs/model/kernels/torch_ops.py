"""The kernels in PyTorch's operations, on any device; see `lm_envs.model.kernels.base.Kernels`."""

import torch
import torch.nn.functional as F

from lm_envs.model.kv_cache import Attend, DecodeAttention, ExtendAttention, KVCache
from lm_envs.model.logits import TopTokens, log_sum_exp, top_tokens


class TorchKernels:
    """One operation of PyTorch after the other."""

    longest_prompt = 0

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool, int8: bool
    ) -> None:
        """None: PyTorch's."""

    def embed(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        words: torch.Tensor,
        places: torch.Tensor,
    ) -> torch.Tensor:
        """As `Kernels` says."""
        return F.embedding(tokens, words).float() + F.embedding(positions, places)

    def add_norm(
        self,
        x: torch.Tensor,
        y: torch.Tensor | None,
        norm: tuple[torch.Tensor, torch.Tensor, float],
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """As `Kernels` says."""
        if y is not None:
            x += y
        gain, bias, epsilon = norm
        return F.layer_norm(x, gain.shape, gain, bias, epsilon).to(dtype)

    def decode(self, slots: KVCache, positions: torch.Tensor, context_len: int) -> Attend:
        """As `Kernels` says."""
        return DecodeAttention(slots, positions, context_len)

    def extend(
        self,
        slots: KVCache,
        rows: torch.Tensor,
        starts: torch.Tensor,
        sizes: torch.Tensor,
        context_len: int,
    ) -> Attend:
        """As `Kernels` says."""
        return ExtendAttention(slots, rows, starts, sizes, context_len)

    def read(
        self,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        words: torch.Tensor,
    ) -> torch.Tensor:
        """As `Kernels` says."""
        vectors = embeddings[words].float()  # (N, K, D)
        if center is not None:
            vectors -= center
        return (vectors * hidden[:, None]).sum(-1)

    def quantize(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Kernels` says."""
        values = x.float()
        scales = values.abs().amax(-1).clamp(min=1e-30) / 127.0
        codes = (values / scales[:, None] + 128.5).nan_to_num(0.0).to(torch.uint8)
        return codes, scales

    def dequantize(
        self,
        sums: torch.Tensor,
        scales: torch.Tensor,
        bias: torch.Tensor | None,
        *,
        gelu: bool,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """As `Kernels` says."""
        values = sums * scales[:, None]
        if bias is not None:
            values += bias
        return (F.gelu(values, approximate="tanh") if gelu else values).to(dtype)

    def best(
        self,
        logits: torch.Tensor,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        count: int,
        always: int,
    ) -> TopTokens:
        """As `Kernels` says."""
        logits = logits.float()
        log_z = log_sum_exp(logits)
        words = top_tokens(logits, count).sort(-1).values
        is_exact = center is None
        values = (
            logits.gather(-1, words) if is_exact else self.read(hidden, embeddings, center, words)
        )
        values, order = values.sort(dim=-1, descending=True, stable=True)
        words = words.gather(-1, order)
        wanted = torch.full_like(words[:, :1], always)
        is_last = torch.arange(count, device=words.device) == count - 1
        is_missing = (words != wanted).all(-1, keepdim=True) & is_last  # (N, K)
        extra = self.read(hidden, embeddings, center, wanted)
        values = torch.where(is_missing, extra, values)
        words = torch.where(is_missing, wanted, words)
        return TopTokens(words, values - log_z[:, None], log_z)
