"""Functions of (N, V) logits: their log_z, their largest, the likely words."""

from typing import NamedTuple

import torch

GROUP = 128
"""Words are searched in groups of this many."""

LOGITS_PER_PASS = 2**20
"""Most logits that are computed together where each is needed once: so many stay in the cache."""

LEAST_ROWS = 128
"""Rows in a pass even so: with fewer, reading the weights would take longer than multiplying."""


class TopTokens(NamedTuple):
    """What a model says of the words that may follow N hidden states."""

    candidates: torch.Tensor  # (N, K) int64, best first
    logprobs: torch.Tensor  # (N, K) float32
    log_z: torch.Tensor  # (N,) float32, log of the sum of exponentiated logits


def rows_per_pass(num_words: int) -> int:
    """How many rows of logits over so many words are best computed together."""
    return max(LEAST_ROWS, LOGITS_PER_PASS // num_words)


def log_sum_exp(logits: torch.Tensor) -> torch.Tensor:
    """Log of the sum of exponentials, (N,), of (N, V); half the time of `logsumexp` on CPU."""
    return logits[:, 0] - logits.log_softmax(-1)[:, 0]


def top_tokens(logits: torch.Tensor, count: int) -> torch.Tensor:
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


def top_k_top_p_mask(logits: torch.Tensor, top_k: int | None, top_p: float | None) -> torch.Tensor:
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
