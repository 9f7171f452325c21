"""The output head: most likely next tokens and log-probabilities from a hidden state.

Owns the (N, V) logits, which never leave the device. Knows nothing of rows' histories.
"""

import torch
import torch.nn.functional as F

from lm_envs.model.base import LanguageModel
from lm_envs.model.kernels.base import TopTokens

CHUNK = 4096
"""Tokens whose embeddings exist in float32 at once, while they are centered."""

OUTPUT_MULTIPLE = 64
"""On CUDA the output layer has a multiple of this many outputs: rows of 50,257 logits are not
aligned, and cuBLAS would take a slower kernel."""

LOGITS_PER_PASS = 2**19
"""Most logits that are computed together on CPU where each is needed once: so many fit into the
cache."""

LEAST_ROWS = 64
"""Fewest rows in such a pass. Measured for vocabularies of 6,144 and 50,257: 128 rows take 20 % to
40 % longer, 32 rows in bfloat16 a little."""

LOGITS_PER_LAUNCH = 2**25
"""The same number on CUDA, where small passes cost launches: 128 MiB in float32."""


class LMHead:
    """Log-probabilities of next tokens: of the K most likely, or of given ones.

    Rounded logits would make near-equal tokens tie (bfloat16's steps are 0.25 wide at 50). Two
    things prevent it: the mean token embedding is subtracted, which moves all logits of a row alike
    and so changes no probability; and the few logits that are returned are computed again in
    float32.

    Args:
        model: Has the weights of the output layer, which its token embeddings may share.
        num_candidates: K.
        required: Token that takes the last place where it is not among the most likely.
    """

    def __init__(self, model: LanguageModel, num_candidates: int, required: int) -> None:
        self._embeddings, self._kernels = model.head_weights, model.kernels
        self._num_candidates, self._required = num_candidates, required
        centered, self._center = self._embeddings, None
        if model.dtype != torch.float32:
            self._center = self._embeddings.mean(0, dtype=torch.float32)  # (D,)
            centered = _subtract_center(self._embeddings, self._center)
        self._linear = model.linear(_pad_rows(centered), None)
        self._unwritten = model.unwritten_tokens
        is_written = torch.ones(len(self._embeddings), dtype=torch.bool)
        if self._unwritten is not None:
            is_written[self._unwritten.cpu()] = False
        # A token whose logit is finite, (1,).
        self._written = is_written.nonzero()[0].to(self._embeddings.device)

    @property
    def tensors(self) -> list[torch.Tensor]:
        """What is computed from the model's weights; see `LanguageModel.tensors`."""
        center = () if self._center is None else (self._center,)
        return [*self._linear.tensors, *center]

    def top_k(self, hidden: torch.Tensor) -> TopTokens:
        """The K most likely next tokens after (N, D) float32 hidden states, ties by id."""
        return self._kernels.top_k(
            self._rounded_logits(hidden),
            hidden,
            self._embeddings,
            self._center,
            self._num_candidates,
            self._required,
        )

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(N, V) float32, each row up to a constant, after (N, D) float32 hidden states."""
        return self._rounded_logits(hidden).float()

    def token_logits(self, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) float32 of tokens (N, K), with the same constant as `logits`."""
        return self._kernels.token_logits(hidden, self._embeddings, self._center, tokens)

    def token_logprobs(
        self,
        hidden: torch.Tensor,
        tokens: torch.Tensor,
        temperatures: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Log-probabilities (M,) float32 of one token after each hidden state, in nats.

        The logits of a few rows exist at a time.

        Args:
            hidden: (M, D) float32.
            tokens: (M,) int64.
            temperatures: (M,) float32, divisors of the logits; None for 1.
        """
        most = LOGITS_PER_LAUNCH if hidden.is_cuda else LOGITS_PER_PASS
        step = max(LEAST_ROWS, most // len(self._embeddings))
        parts = [torch.zeros(0, device=hidden.device)]
        for first in range(0, len(hidden), step):
            part = slice(first, first + step)
            logits = self.logits(hidden[part])
            own = self.token_logits(hidden[part], tokens[part, None])[:, 0]
            if temperatures is not None:
                logits, own = logits / temperatures[part, None], own / temperatures[part]
            finite = self._written.expand(len(logits))
            parts.append(own - self._kernels.log_sum_exp(logits, finite))
        return torch.cat(parts)

    def _rounded_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(N, V) in the type of the embeddings; a view where the weights are padded."""
        logits = self._linear(hidden.to(self._embeddings.dtype))
        logits = logits[:, : len(self._embeddings)]
        if self._unwritten is not None:
            logits.index_fill_(1, self._unwritten, -torch.inf)
        return logits


def top_k_top_p_mask(logits: torch.Tensor, top_k: int | None, top_p: float | None) -> torch.Tensor:
    """The tokens of each row that `top_k` and `top_p` both keep, (N, V) bool, of (N, V) logits.

    `top_k` keeps or drops equally likely tokens together. Source of `top_p`: Holtzman et al. 2020,
    https://arxiv.org/abs/1904.09751 (nucleus sampling).
    """
    keep = logits > -torch.inf  # but for tokens that are never written
    if top_k is not None and top_k < logits.shape[1]:
        keep &= logits >= logits.topk(top_k).values[:, -1:]
    if top_p is not None:
        ordered, tokens = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)
        is_needed = ordered.cumsum(-1) - ordered < top_p
        keep &= torch.zeros_like(keep).scatter_(1, tokens, is_needed)
    return keep


def _pad_rows(weights: torch.Tensor) -> torch.Tensor:
    """On CUDA the weights (V, D) with rows of zeros up to a multiple of OUTPUT_MULTIPLE."""
    missing = -len(weights) % OUTPUT_MULTIPLE if weights.is_cuda else 0
    return F.pad(weights, (0, 0, 0, missing)) if missing else weights


def _subtract_center(embeddings: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """`embeddings` (V, D) less `center` (D,), subtracted in float32, in the embeddings' type."""
    centered = torch.empty_like(embeddings)
    for target, part in zip(centered.split(CHUNK), embeddings.split(CHUNK), strict=True):
        target.copy_(part - center)
    return centered
