"""The output head: best next words and log-probabilities from a hidden state.

Owns the (N, V) logits, which never leave the device. Knows nothing of rows' histories.
"""

import torch

from lm_envs.model.gpt2 import GPT2
from lm_envs.model.logits import NextWords

CHUNK = 4096
"""Words whose embeddings exist in float32 at once, while they are centred."""


class WordHead:
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
        centred, self._centre = self._embeddings, None
        if model.dtype != torch.float32:
            self._centre = self._embeddings.mean(0, dtype=torch.float32)  # (D,)
            centred = _centred(self._embeddings, self._centre)
        self._linear = model.linear(centred, None)

    def best(self, hidden: torch.Tensor) -> NextWords:
        """The K best next words of (N, D) float32 hidden states, ties by id."""
        return self._kernels.best(
            self._logits(hidden),
            hidden,
            self._embeddings,
            self._centre,
            self._num_candidates,
            self._always,
        )

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(N, V) float32, each row up to a constant, from (N, D) float32 hidden states."""
        return self._logits(hidden).float()

    def read(self, hidden: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) float32 of the words (N, K), with the same constant as `logits`."""
        return self._kernels.read(hidden, self._embeddings, self._centre, words)

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return self._linear(hidden.to(self._embeddings.dtype))


def _centred(embeddings: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
    """`embeddings` (V, D) less `centre` (D,), subtracted in float32, in their type."""
    centred = torch.empty_like(embeddings)
    for some, words in zip(centred.split(CHUNK), embeddings.split(CHUNK), strict=True):
        some.copy_(words - centre)
    return centred
