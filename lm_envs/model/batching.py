"""Forward passes over texts of many lengths, in as few passes as memory allows.

Owns how tokens are grouped: a row's arithmetic depends on its own text only, whatever texts are in
the same pass. Knows nothing of what follows a text.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from lm_envs.model.attention import Attend, Extension
from lm_envs.model.base import LanguageModel
from lm_envs.model.kv_cache import KVCache, round_up

PREFILL_MULTIPLE = 16
"""Texts are padded to a multiple of this: a row's arithmetic depends on its own length only."""

TOKENS_PER_PASS = 4096
"""Most tokens, padding included, in one pass; bounds the memory of activations."""


def make_cache(
    model: LanguageModel, num_rows: int, capacity: int, dtype: torch.dtype | None = None
) -> KVCache:
    """A KV cache for a model's layers and heads; its type is `dtype`, default the model's."""
    config = model.config
    return KVCache(
        num_layers=config.num_layers,
        num_rows=num_rows,
        num_heads=config.num_kv_heads,
        head_size=config.head_size,
        capacity=capacity,
        dtype=dtype or model.dtype,
        device=model.device,
    )


def prefill_rows(
    model: LanguageModel,
    cache: KVCache,
    rows: np.ndarray,
    prompts: Sequence[np.ndarray],
    hidden: torch.Tensor,
) -> None:
    """Fills the slots of `rows` with the keys and values of their prompts.

    Short prompts share passes without padding where the kernels can do so; longer ones are padded,
    in one pass for each padded width.

    Args:
        model: The network.
        cache: Stores keys and values.
        rows: (R,) int64 distinct row numbers.
        prompts: R arrays (P,) int64, P >= 1.
        hidden: (N, D) float32; the last hidden states of the rows are written to it.
    """
    sizes = np.array([len(prompt) for prompt in prompts])
    is_short = sizes <= model.kernels.longest_prompt
    short, long = np.flatnonzero(is_short), np.flatnonzero(~is_short)
    short_prompts = [prompts[index] for index in short.tolist()]
    for part in split_into_passes(short_prompts):
        members = rows[short[part]]
        starts = np.zeros_like(members)
        states, ends = extend_rows(model, cache, members, starts, short_prompts[part])
        hidden[torch.as_tensor(members, device=model.device)] = states[ends - 1]
    for part, tokens, lengths in padded_batches([prompts[index] for index in long.tolist()]):
        members = torch.as_tensor(rows[long[part]], device=model.device)
        attend = model.kernels.prefill_attention(cache, members, tokens.shape[1])
        states = forward_padded(model, tokens, attend)
        last = torch.as_tensor(lengths - 1, device=model.device)
        hidden[members] = states[torch.arange(len(part)), last]


def extend_rows(
    model: LanguageModel,
    cache: KVCache,
    rows: np.ndarray,
    starts: np.ndarray,
    tokens: Sequence[np.ndarray],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Continues rows from given positions, in one pass.

    Args:
        model: The network.
        cache: Stores keys and values.
        rows: (R,) int64 distinct row numbers.
        starts: (R,) int64 number of tokens that each row keeps.
        tokens: R arrays (T,) int64, T >= 1; M in all.

    Returns:
        Hidden states (M, D), row after row, and the index after the last one of each row (R,).
    """
    sizes = np.array([len(part) for part in tokens])
    ends, stops = sizes.cumsum(), starts + sizes
    positions = np.arange(ends[-1]) + np.repeat(stops - ends, sizes)
    arrays = (np.concatenate(tokens), positions, rows, starts, sizes, ends)
    ids, places, members, firsts, counts, bounds = (
        torch.as_tensor(array, device=model.device) for array in arrays
    )
    numbers = (int(ends[-1]), int(sizes.max()), round_up(int(stops.max())))
    attend = model.kernels.extend_attention(cache, Extension(members, firsts, counts, *numbers))
    return model.forward(ids, places, attend), bounds


def forward_padded(
    model: LanguageModel,
    tokens: np.ndarray,
    attend: Attend,
    scales: torch.Tensor | None = None,
) -> torch.Tensor:
    """Hidden states (R, T, D) of R padded sequences.

    Args:
        model: The network.
        tokens: (R, T) int64.
        attend: Attention inside the sequences.
        scales: (R, L, H + 1) float32, factors of the parts of the network for each sequence; see
            `LanguageModel.forward`. None for 1.
    """
    ids = torch.as_tensor(tokens, device=model.device)
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    positions = positions.clamp(max=model.config.max_positions - 1)  # padding may pass it
    if scales is not None:
        scales = scales.repeat_interleave(ids.shape[1], 0)
    hidden = model.forward(ids.flatten(), positions.flatten(), attend, scales)
    return hidden.view(*ids.shape, -1)


def split_into_passes(sequences: Sequence[np.ndarray]) -> Iterator[slice]:
    """Slices of sequences that fit into one pass when all are padded to the longest."""
    widest = max((len(sequence) for sequence in sequences), default=1)
    step = max(1, TOKENS_PER_PASS // widest)
    for start in range(0, len(sequences), step):
        yield slice(start, start + step)


def padded_batches(
    sequences: Sequence[np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Groups sequences of one padded width: indices (R,), tokens (R, T) and lengths (R,)."""
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
