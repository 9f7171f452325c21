"""The output head: best next words and log-probabilities from a hidden state.

Owns the (N, V) logits, which never leave the device. Knows nothing of rows' histories.
"""

import torch

from lm_envs.model.gpt2 import GPT2
from lm_envs.model.logits import TopTokens

CHUNK = 4096
"""Words whose embeddings exist in float32 at once, while they are centered."""


class LMHead:
    """Log-probabilities of next words, read as a few candidates or one chosen word.

    Rounded logits would make near-equal words tie (bfloat16's steps are 0.25 wide at 50). Two
    things prevent it: the mean word embedding is subtracted, which moves all logits of a row alike
    and so no probability; and the few words that are read are computed again in float32.

    Args:
        model: Whose word embeddings are the output weights.
        num_candidates: K.
        always: A word that takes the last place where it is not among the best.
    """

    def __init__(self, model: GPT2, num_candidates: int, always: int) -> None:
        self._embeddings, self._kernels = model.word_embeddings, model.kernels
        self._num_candidates, self._always = num_candidates, always
        centered, self._center = self._embeddings, None
        if model.dtype != torch.float32:
            self._center = self._embeddings.mean(0, dtype=torch.float32)  # (D,)
            centered = _centered(self._embeddings, self._center)
        self._linear = model.linear(centered, None)

    def best(self, hidden: torch.Tensor) -> TopTokens:
        """The K best next words of (N, D) float32 hidden states, ties by id."""
        return self._kernels.best(
            self._logits(hidden),
            hidden,
            self._embeddings,
            self._center,
            self._num_candidates,
            self._always,
        )

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(N, V) float32, each row up to a constant, from (N, D) float32 hidden states."""
        return self._logits(hidden).float()

    def read(self, hidden: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) float32 of the words (N, K), with the same constant as `logits`."""
        return self._kernels.read(hidden, self._embeddings, self._center, words)

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return self._linear(hidden.to(self._embeddings.dtype))


def _centered(embeddings: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """`embeddings` (V, D) less `center` (D,), subtracted in float32, in their type."""
    centered = torch.empty_like(embeddings)
    for some, words in zip(centered.split(CHUNK), embeddings.split(CHUNK), strict=True):
        some.copy_(words - center)
    return centered
