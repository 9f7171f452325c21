"""The kernels as PyTorch operations, on any device; see `lm_envs.model.kernels.base.Kernels`."""

import torch
import torch.nn.functional as F

from lm_envs.model.attention import (
    Attend,
    DecodeAttention,
    ExtendAttention,
    Extension,
    OptionAttention,
    PrefillAttention,
)
from lm_envs.model.kernels.base import HeadNorms, LayerNorm, LinearLayer, RMSNorm, TopTokens
from lm_envs.model.kernels.quantization import ZERO_POINT
from lm_envs.model.kv_cache import KVCache

GROUP = 128
"""`top_tokens` searches the vocabulary in groups of this many tokens."""


def log_sum_exp(logits: torch.Tensor, finite: torch.Tensor) -> torch.Tensor:
    """Log of the sum of exponentials, (N,), of (N, V); half the time of `logsumexp` on CPU.

    Args:
        logits: (N, V); some may be -inf.
        finite: (N,) int64, a column of each row with a finite logit. It is used in the rows whose
            first logit is -inf, where the difference would be NaN.
    """
    normed = logits.log_softmax(-1)
    column = finite[:, None]
    elsewhere = (logits.gather(-1, column) - normed.gather(-1, column))[:, 0]
    return torch.where(logits[:, 0] > -torch.inf, logits[:, 0] - normed[:, 0], elsewhere)


def top_tokens(logits: torch.Tensor, count: int) -> torch.Tensor:
    """Ids (N, count) of the `count` largest entries of each row of (N, V), in no order.

    The largest entries lie in the groups with the largest maxima, so that only those are searched.
    """
    num_groups = logits.shape[1] // GROUP
    if num_groups < count:
        return logits.topk(count, sorted=False).indices
    whole = num_groups * GROUP
    maxima = logits[:, :whole].unflatten(1, (num_groups, GROUP)).amax(-1)  # (N, groups)
    groups = maxima.topk(count, sorted=False).indices * GROUP
    tokens = (groups[..., None] + torch.arange(GROUP, device=logits.device)).flatten(1)
    rest = torch.arange(whole, logits.shape[1], device=logits.device).expand(len(logits), -1)
    tokens = torch.cat([tokens, rest], 1)
    return tokens.gather(1, logits.gather(1, tokens).topk(count, sorted=False).indices)


def turn(heads: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Heads (…, H, d) turned by `turns` (…, d), cosines and then sines, which have no heads.

    Number i of a head is paired with number i + d / 2.
    """
    cosines, sines = turns[..., None, :].chunk(2, -1)
    first, second = heads.chunk(2, -1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], -1)


class TorchKernels:
    """Each kernel as a few PyTorch operations."""

    longest_prompt = 0
    any_length = False
    is_row_invariant = False

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool, int8: bool
    ) -> LinearLayer | None:
        """None: the model uses PyTorch's linear layers."""
        return None

    def embed(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        token_embeddings: torch.Tensor,
        position_embeddings: torch.Tensor,
    ) -> torch.Tensor:
        """See `Kernels`."""
        embedded = F.embedding(tokens, token_embeddings).float()
        return embedded + F.embedding(positions, position_embeddings)

    def add_norm(
        self, x: torch.Tensor, update: torch.Tensor | None, norm: LayerNorm, dtype: torch.dtype
    ) -> torch.Tensor:
        """See `Kernels`."""
        if update is not None:
            x += update
        gain, bias, epsilon = norm
        return F.layer_norm(x, gain.shape, gain, bias, epsilon).to(dtype)

    def add_rms_norm(
        self, x: torch.Tensor, update: torch.Tensor | None, norm: RMSNorm, dtype: torch.dtype
    ) -> torch.Tensor:
        """See `Kernels`."""
        if update is not None:
            x += update
        return self.rms_norm(x, norm.gain, norm.epsilon).to(dtype)

    def rms_norm(self, x: torch.Tensor, gain: torch.Tensor, epsilon: float) -> torch.Tensor:
        """Root-mean-square norms of vectors (…, d) float32, times `gain` (d,)."""
        return F.rms_norm(x, gain.shape, gain, epsilon)

    def rotate(
        self,
        qkv: torch.Tensor,
        turns: torch.Tensor,
        heads: tuple[int, int],
        norms: HeadNorms | None,
    ) -> None:
        """See `Kernels`."""
        size = turns.shape[1]
        turned = qkv.view(len(qkv), -1, size)[:, : sum(heads)]  # (M, H + H_kv, d)
        values = turned.float()
        if norms is not None:
            gains = (norms.query_gain, norms.key_gain)
            parts = zip(values.split(heads, 1), gains, strict=True)
            values = torch.cat([self.rms_norm(x, gain, norms.epsilon) for x, gain in parts], 1)
        turned.copy_(turn(values, turns))

    def silu_product(self, x: torch.Tensor) -> torch.Tensor:
        """See `Kernels`."""
        gate, up = x.float().chunk(2, -1)
        return (F.silu(gate) * up).to(x.dtype)

    def decode_attention(self, cache: KVCache, positions: torch.Tensor, context_len: int) -> Attend:
        """See `Kernels`."""
        return DecodeAttention(cache, positions, context_len)

    def extend_attention(self, cache: KVCache, extension: Extension) -> Attend:
        """See `Kernels`."""
        return ExtendAttention(cache, extension)

    def prefill_attention(self, cache: KVCache | None, rows: torch.Tensor, width: int) -> Attend:
        """See `Kernels`."""
        return PrefillAttention(cache, rows, width)

    def option_attention(
        self,
        cache: KVCache,
        rows: torch.Tensor,
        lengths: torch.Tensor,
        context_len: int,
        shape: tuple[int, int],
    ) -> Attend:
        """See `Kernels`."""
        return OptionAttention(cache, rows, lengths, context_len, shape)

    def token_logits(
        self,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        tokens: torch.Tensor,
    ) -> torch.Tensor:
        """See `Kernels`."""
        vectors = embeddings[tokens].float()  # (N, K, D)
        if center is not None:
            vectors -= center
        return (vectors * hidden[:, None]).sum(-1)

    def log_sum_exp(self, logits: torch.Tensor, finite: torch.Tensor) -> torch.Tensor:
        """See `Kernels`."""
        return log_sum_exp(logits, finite)

    def largest(self, logits: torch.Tensor, count: int) -> torch.Tensor:
        """Ids (N, count) of the `count` largest entries of each row of (N, V), in any order."""
        return top_tokens(logits, count)

    def quantize(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Kernels`."""
        numbers = x.float()
        scales = numbers.abs().amax(-1).clamp(min=1e-30) / 127.0
        shifted = numbers / scales[:, None] + (ZERO_POINT + 0.5)  # the cast rounds down
        return shifted.nan_to_num(0.0).to(torch.uint8), scales

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
        outputs = sums * scales[:, None]
        if bias is not None:
            outputs += bias
        return (F.gelu(outputs, approximate="tanh") if gelu else outputs).to(dtype)

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
        logits = logits.float()
        tokens = self.largest(logits, count).sort(-1).values  # by id, which a stable sort keeps
        log_z = self.log_sum_exp(logits, tokens[:, 0])
        exact = (
            logits.gather(-1, tokens)
            if center is None
            else self.token_logits(hidden, embeddings, center, tokens)
        )
        exact, order = exact.sort(dim=-1, descending=True, stable=True)
        tokens = tokens.gather(-1, order)
        wanted = torch.full_like(tokens[:, :1], required)
        is_last = torch.arange(count, device=tokens.device) == count - 1
        is_missing = (tokens != wanted).all(-1, keepdim=True) & is_last  # (N, K)
        extra = self.token_logits(hidden, embeddings, center, wanted)
        exact = torch.where(is_missing, extra, exact)
        tokens = torch.where(is_missing, wanted, tokens)
        return TopTokens(tokens, exact - log_z[:, None], log_z)
