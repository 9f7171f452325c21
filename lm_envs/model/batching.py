"""Forward passes over texts of many lengths, in as few passes as memory allows.

Owns how tokens are grouped: a row's arithmetic depends on its own text only, whatever texts are in
the same pass. Owns also how the arrays of a pass travel to the device: in one copy. Knows nothing
of what follows a text.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from lm_envs.model.attention import Attend, Extension
from lm_envs.model.base import LanguageModel
from lm_envs.model.kv_cache import KVCache, round_up

PREFILL_MULTIPLE = 16
"""Texts are padded to a multiple of this: a row's arithmetic depends on its own length only."""

TOKENS_PER_PASS = 4096
"""Most tokens, padding included, in one pass; bounds the memory of activations."""


class ExtendedRows(NamedTuple):
    """M tokens that continued R rows, row after row; tensors on the model's device."""

    tokens: torch.Tensor  # (M,) int64
    states: torch.Tensor  # (M, D) float32 hidden state after each token
    rows: torch.Tensor  # (R,) int64 row numbers
    first: torch.Tensor  # (R,) int64 index of the first new token of each row
    last: torch.Tensor  # (R,) int64 index of the last one


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
        new = extend_rows(model, cache, members, starts, short_prompts[part])
        hidden.index_copy_(0, new.rows, new.states.index_select(0, new.last))
    for part, tokens, lengths in padded_batches([prompts[index] for index in long.tolist()]):
        width = tokens.shape[1]
        last = np.arange(len(part)) * width + lengths - 1
        ids, members, last = to_device(model.device, tokens, rows[long[part]], last)
        attend = model.kernels.prefill_attention(cache, members, width)
        states = forward_padded(model, ids, attend).flatten(0, 1)
        hidden.index_copy_(0, members, states.index_select(0, last))


def extend_rows(
    model: LanguageModel,
    cache: KVCache,
    rows: np.ndarray,
    starts: np.ndarray,
    tokens: Sequence[np.ndarray],
) -> ExtendedRows:
    """Continues rows from given positions, in one pass.

    Args:
        model: The network.
        cache: Stores keys and values.
        rows: (R,) int64 distinct row numbers.
        starts: (R,) int64 number of tokens that each row keeps.
        tokens: R arrays (T,) int64, T >= 1; M in all.
    """
    sizes = np.array([len(part) for part in tokens])
    ends, stops = sizes.cumsum(), starts + sizes
    flat = (np.concatenate(tokens), flat_positions(starts, sizes))
    arrays = (*flat, rows, starts, sizes, ends - sizes, ends - 1)
    ids, places, members, begins, counts, first, last = to_device(model.device, *arrays)
    numbers = (int(ends[-1]), int(sizes.max()), round_up(int(stops.max())))
    attend = model.kernels.extend_attention(cache, Extension(members, begins, counts, *numbers))
    return ExtendedRows(ids, model.forward(ids, places, attend), members, first, last)


def flat_positions(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Positions (M,) of new tokens that come flat, row after row.

    Args:
        starts: (R,) int64 position of each row's first new token.
        sizes: (R,) int64 number of new tokens of each row; M in all.
    """
    before = sizes.cumsum() - sizes
    return np.arange(sizes.sum()) + np.repeat(starts - before, sizes)


def forward_padded(
    model: LanguageModel,
    ids: torch.Tensor,
    attend: Attend,
    scales: torch.Tensor | None = None,
) -> torch.Tensor:
    """Hidden states (R, T, D) of R padded sequences.

    Args:
        model: The network.
        ids: (R, T) int64 tokens, on the model's device.
        attend: Attention inside the sequences.
        scales: (R, L, H + 1) float32, factors of the parts of the network for each sequence; see
            `LanguageModel.forward`. None for 1.
    """
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


def to_device(device: torch.device, *arrays: np.ndarray) -> list[torch.Tensor]:
    """The arrays as tensors on a device: one copy, which does not wait for earlier work there.

    On CPU each tensor shares its array's memory.
    """
    if device.type == "cpu":
        return [torch.as_tensor(array) for array in arrays]
    packed = torch.from_numpy(pack_arrays(arrays))
    if device.type == "cuda":
        packed = packed.pin_memory()  # a copy from other memory would wait
    return unpack_arrays(packed.to(device, non_blocking=True), arrays)


def pack_arrays(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The bytes of arrays of any types as one int64 array, each from the start of a new number."""
    packed = np.zeros(sum(_num_words(array) for array in arrays), np.int64)
    start = 0
    for array in arrays:
        stop = start + _num_words(array)
        packed[start:stop].view(array.dtype)[: array.size] = array.ravel()
        start = stop
    return packed


def unpack_arrays(packed: torch.Tensor, arrays: Sequence[np.ndarray]) -> list[torch.Tensor]:
    """Views of `packed`, a tensor with the numbers of `pack_arrays`, like each of its arrays."""
    parts = packed.split([_num_words(array) for array in arrays])
    return [
        part.view(torch.as_tensor(array).dtype)[: array.size].view(array.shape)
        for part, array in zip(parts, arrays, strict=True)
    ]


def _num_words(array: np.ndarray) -> int:
    """How many int64 numbers hold an array's bytes."""
    return -(-array.nbytes // 8)
