"""The output head: best next words and log-probabilities from a hidden state.

Owns the (N, V) logits, which never leave the device. Knows nothing of rows' histories.
"""

from typing import NamedTuple

import torch

from lm_envs.model.gpt2 import GPT2
from lm_envs.model.linear import Linear

GROUP = 128
"""Words are searched in groups of this many."""


class NextWords(NamedTuple):
    """What the head says of N hidden states."""

    candidates: torch.Tensor  # (N, K) int64, best first
    logprobs: torch.Tensor  # (N, K) float32
    normaliser: torch.Tensor  # (N,) float32, log of the sum of exponentiated logits


class WordHead:
    """Log-probabilities of next words, read as a few candidates or one chosen word.

    bfloat16 logits would make near-equal words tie (their steps are 0.25 wide at 50). Two things
    prevent it: the mean word embedding is subtracted, which moves all logits of a row alike and
    so no probability; and the few words that are read are computed again in float32.

    Args:
        model: Whose word embeddings are the output weights.
        num_candidates: K.
        always: A word that takes the last place where it is not among the best.
    """

    def __init__(self, model: GPT2, num_candidates: int, always: int) -> None:
        self._embeddings = model.word_embeddings
        self._is_exact = model.dtype == torch.float32
        centred, self._centre = self._embeddings, torch.zeros((), device=model.device)
        if not self._is_exact:
            values = self._embeddings.float()
            self._centre = values.mean(0)  # (D,)
            centred = values.sub_(self._centre).to(model.dtype)
        self._linear = Linear(centred, None)
        self._always = torch.full((1, 1), always, device=model.device)
        self._is_last = torch.arange(num_candidates, device=model.device) == num_candidates - 1

    def best(self, hidden: torch.Tensor) -> NextWords:
        """The K best next words of (N, D) float32 hidden states, ties by id."""
        logits = self.logits(hidden)
        normaliser = log_normaliser(logits)
        words = best_words(logits, len(self._is_last)).sort(-1).values
        values = logits.gather(-1, words) if self._is_exact else self.read(hidden, words)
        values, order = values.sort(dim=-1, descending=True, stable=True)
        words = words.gather(-1, order)
        is_missing = (words != self._always).all(-1, keepdim=True) & self._is_last  # (N, K)
        words = torch.where(is_missing, self._always, words)
        extra = self.read(hidden, self._always.expand(len(hidden), 1))
        values = torch.where(is_missing, extra, values)
        return NextWords(words, values - normaliser[:, None], normaliser)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(N, V) float32, each row up to a constant, from (N, D) float32 hidden states."""
        return self._linear(hidden.to(self._embeddings.dtype)).float()

    def read(self, hidden: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) float32 of the words (N, K), with the same constant as `logits`."""
        vectors = self._embeddings[words].float() - self._centre  # (N, K, D)
        return (vectors * hidden[:, None]).sum(-1)


def log_normaliser(logits: torch.Tensor) -> torch.Tensor:
    """Log of the sum of exponentials, (N,), of (N, V); half the time of `logsumexp` on CPU."""
    return logits[:, 0] - logits.log_softmax(-1)[:, 0]


def best_words(logits: torch.Tensor, count: int) -> torch.Tensor:
    """The `count` largest entries of each row of (N, V), in no order: ids (N, count).

    The largest words stand in the groups with the largest maxima, so only those are searched.
    """
    num_groups = logits.shape[1] // GROUP
    if num_groups < count:
        return logits.topk(count, sorted=False).indices
    whole = num_groups * GROUP
    groups = logits[:, :whole].unflatten(1, (num_groups, GROUP)).amax(-1)  # (N, groups)
    chosen = groups.topk(count, sorted=False).indices * GROUP
    words = (chosen[..., None] + torch.arange(GROUP, device=logits.device)).flatten(1)
    rest = torch.arange(whole, logits.shape[1], device=logits.device).expand(len(logits), -1)
    words = torch.cat([words, rest], 1)
    return words.gather(1, logits.gather(1, words).topk(count, sorted=False).indices)


def likely_words(logits: torch.Tensor, top_k: int | None, top_p: float | None) -> torch.Tensor:
    """The words of each row that `top_k` and `top_p` both keep, (N, V) bool, of (N, V) logits.

    Equally likely words are kept or dropped together by `top_k`. Source of `top_p`: Holtzman et al.
    2020, https://arxiv.org/abs/1904.09751 (nucleus sampling).
    """
    keep = torch.ones_like(logits, dtype=torch.bool)
    if top_k is not None and top_k < logits.shape[1]:
        keep &= logits >= logits.topk(top_k).values[:, -1:]
    if top_p is not None:
        ordered, words = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)
        is_needed = ordered.cumsum(-1) - ordered < top_p
        keep &= torch.zeros_like(keep).scatter_(1, words, is_needed)
    return keep
