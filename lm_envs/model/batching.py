"""Texts of many lengths through the network, in as few passes as memory allows.

Owns how tokens are put together: a row's arithmetic depends on its own text only, whatever is read
beside it. Knows nothing of what follows a text.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from lm_envs.model.gpt2 import GPT2
from lm_envs.model.kv_cache import KVCache, PrefillAttention, round_up

PREFILL_MULTIPLE = 16
"""Texts are padded to a multiple of this: a row's arithmetic depends on its own length only."""

TOKENS_PER_PASS = 4096
"""Most tokens, padding included, in one pass; bounds the memory of activations."""


def read_prompts(
    model: GPT2,
    slots: KVCache,
    rows: np.ndarray,
    prompts: Sequence[np.ndarray],
    hidden: torch.Tensor,
) -> None:
    """Fills the slots of `rows` from their prompts.

    Short ones are read all together where the kernels can; others in a pass for each padded width.

    Args:
        model: Reads them.
        slots: Where their keys and values go.
        rows: (R,) int64 distinct row numbers.
        prompts: R arrays (P,) int64, P >= 1.
        hidden: (N, D) float32; the rows' last hidden states go into it.
    """
    sizes = np.array([len(prompt) for prompt in prompts])
    is_short = sizes <= model.kernels.longest_prompt
    short, long = np.flatnonzero(is_short), np.flatnonzero(~is_short)
    few = [prompts[index] for index in short.tolist()]
    for part in passes(few):
        members = rows[short[part]]
        states, ends = read_on(model, slots, members, np.zeros_like(members), few[part])
        hidden[torch.as_tensor(members, device=model.device)] = states[ends - 1]
    for part, tokens, lengths in batches([prompts[index] for index in long.tolist()]):
        chosen = torch.as_tensor(rows[long[part]], device=model.device)
        states = read_padded(model, tokens, PrefillAttention(slots, chosen, tokens.shape[1]))
        last = torch.as_tensor(lengths - 1, device=model.device)
        hidden[chosen] = states[torch.arange(len(part)), last]


def read_on(
    model: GPT2,
    slots: KVCache,
    rows: np.ndarray,
    starts: np.ndarray,
    tokens: Sequence[np.ndarray],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lets rows go on from earlier places in them, in one pass.

    Args:
        model: Reads the tokens.
        slots: Where their keys and values go.
        rows: (R,) int64 distinct row numbers.
        starts: (R,) int64 how many of its tokens each row keeps.
        tokens: R arrays (T,) int64, T >= 1; M in all.

    Returns:
        Hidden states (M, D), row after row, and where each row's end (R,): the sum of sizes so far.
    """
    sizes = np.array([len(part) for part in tokens])
    ends, stops = sizes.cumsum(), starts + sizes
    positions = np.arange(ends[-1]) + np.repeat(stops - ends, sizes)
    inputs = (np.concatenate(tokens), positions, rows, starts, sizes, ends)
    ids, places, chosen, firsts, counts, bounds = (
        torch.as_tensor(array, device=model.device) for array in inputs
    )
    attend = model.kernels.extend(slots, chosen, firsts, counts, round_up(int(stops.max())))
    return model.forward(ids, places, attend), bounds


def read_padded(
    model: GPT2, tokens: np.ndarray, attend: PrefillAttention, scales: torch.Tensor | None = None
) -> torch.Tensor:
    """Hidden states (R, T, D) of R padded sequences, each by its scales (R, L, H + 1) if any."""
    ids = torch.as_tensor(tokens, device=model.device)
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    positions = positions.clamp(max=model.config.n_positions - 1)  # padding may pass it
    if scales is not None:
        scales = scales.repeat_interleave(ids.shape[1], 0)
    hidden = model.forward(ids.flatten(), positions.flatten(), attend, scales)
    return hidden.view(*ids.shape, -1)


def passes(sequences: Sequence[np.ndarray]) -> Iterator[slice]:
    """Runs of sequences that fit into one pass when padded alike."""
    widest = max((len(sequence) for sequence in sequences), default=1)
    step = max(1, TOKENS_PER_PASS // widest)
    for start in range(0, len(sequences), step):
        yield slice(start, start + step)


def batches(
    sequences: Sequence[np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Sequences of like padded width together: their indices (R,), tokens (R, T), lengths (R,)."""
    lengths = np.array([len(sequence) for sequence in sequences])
    widths = -(-lengths // PREFILL_MULTIPLE) * PREFILL_MULTIPLE
    for width in np.unique(widths):
        members = np.flatnonzero(widths == width)
        count = -(-len(members) * width // TOKENS_PER_PASS)
        for part in np.array_split(members, count):
            tokens = np.zeros((len(part), width), np.int64)
            for row, index in zip(tokens, part, strict=True):
                row[: lengths[index]] = sequences[index]
            yield part, tokens, lengths[part]
