"""The kernels in PyTorch's operations, on any device; see `lm_envs.model.kernels.base.Kernels`."""

import torch
import torch.nn.functional as F

from lm_envs.model.kv_cache import Attend, Decode, Extend, KVSlots
from lm_envs.model.logits import NextWords, best_words, log_normaliser


class Eager:
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

    def decode(self, slots: KVSlots, positions: torch.Tensor, live: int) -> Attend:
        """As `Kernels` says."""
        return Decode(slots, positions, live)

    def extend(
        self,
        slots: KVSlots,
        rows: torch.Tensor,
        starts: torch.Tensor,
        sizes: torch.Tensor,
        live: int,
    ) -> Attend:
        """As `Kernels` says."""
        return Extend(slots, rows, starts, sizes, live)

    def read(
        self,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        centre: torch.Tensor | None,
        words: torch.Tensor,
    ) -> torch.Tensor:
        """As `Kernels` says."""
        vectors = embeddings[words].float()  # (N, K, D)
        if centre is not None:
            vectors -= centre
        return (vectors * hidden[:, None]).sum(-1)

    def quantise(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Kernels` says."""
        values = x.float()
        scales = values.abs().amax(-1).clamp(min=1e-30) / 127.0
        codes = (values / scales[:, None] + 128.5).nan_to_num(0.0).to(torch.uint8)
        return codes, scales

    def rescale(
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
        centre: torch.Tensor | None,
        count: int,
        always: int,
    ) -> NextWords:
        """As `Kernels` says."""
        logits = logits.float()
        normaliser = log_normaliser(logits)
        words = best_words(logits, count).sort(-1).values
        is_exact = centre is None
        values = (
            logits.gather(-1, words) if is_exact else self.read(hidden, embeddings, centre, words)
        )
        values, order = values.sort(dim=-1, descending=True, stable=True)
        words = words.gather(-1, order)
        wanted = torch.full_like(words[:, :1], always)
        is_last = torch.arange(count, device=words.device) == count - 1
        is_missing = (words != wanted).all(-1, keepdim=True) & is_last  # (N, K)
        extra = self.read(hidden, embeddings, centre, wanted)
        values = torch.where(is_missing, extra, values)
        words = torch.where(is_missing, wanted, words)
        return NextWords(words, values - normaliser[:, None], normaliser)
