"""The search for the most likely tokens in Triton: two kernels, over blocks and over rows.

Owns how they are launched. Knows nothing of attention or models.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false, reportCallIssue=false, reportArgumentType=false
# Triton is optional and untyped.

import torch
import triton

from lm_envs.model.kernels import triton_rows
from lm_envs.model.kernels.base import TopTokens

LOGITS_PER_BLOCK = 1024
"""Logits of a row that one program searches."""

SEARCH_WARPS = 1
"""Warps of such a program: one finds a maximum without waiting for others, which was the fastest
on an H100."""


def power_of_two(size: int) -> int:
    """Columns of a program that holds vectors of this size: at least as many as `dot` needs."""
    return max(16, triton.next_power_of_2(size))


def top_k(
    logits: torch.Tensor,
    hidden: torch.Tensor,
    embeddings: torch.Tensor,
    center: torch.Tensor | None,
    count: int,
    required: int,
) -> TopTokens:
    """See `lm_envs.model.kernels.base.Kernels`; rows of `logits` may be padded."""
    num_rows, num_logits = logits.shape
    num_blocks = triton.cdiv(num_logits, LOGITS_PER_BLOCK)
    found = _search_blocks(logits, num_blocks, count)
    candidates = torch.empty(num_rows, count, dtype=torch.int64, device=hidden.device)
    logprobs, log_z = hidden.new_empty(num_rows, count), hidden.new_empty(num_rows)
    triton_rows.top_of_row[(num_rows,)](
        *found,
        hidden,
        embeddings,
        embeddings if center is None else center,
        candidates,
        logprobs,
        log_z,
        required,
        num_blocks,
        num_logits,
        SIZE=embeddings.shape[1],
        COLUMNS=power_of_two(embeddings.shape[1]),
        COUNT=count,
        PLACES=triton.next_power_of_2(count + 1),
        BLOCKS=triton.next_power_of_2(num_blocks),
        ENTRIES=triton.next_power_of_2(num_blocks * count),
        HAS_CENTER=center is not None,
    )
    return TopTokens(candidates, logprobs, log_z)


def _search_blocks(logits: torch.Tensor, num_blocks: int, count: int) -> tuple[torch.Tensor, ...]:
    """Largest logits (N, B, K) of each block, their ids, the maxima and sums (N, B)."""
    num_rows, num_logits = logits.shape
    top = torch.empty(num_rows, num_blocks, count, device=logits.device)
    ids = torch.empty_like(top, dtype=torch.int32)
    maxima, sums = top.new_empty(2, num_rows, num_blocks)
    triton_rows.top_of_block[(num_rows, num_blocks)](
        logits,
        top,
        ids,
        maxima,
        sums,
        logits.stride(0),
        num_logits,
        COUNT=count,
        BLOCK=LOGITS_PER_BLOCK,
        IS_HALF=logits.dtype == torch.bfloat16,
        num_warps=SEARCH_WARPS,
    )
    return top, ids, maxima, sums
