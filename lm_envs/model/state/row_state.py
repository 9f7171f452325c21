"""N rows of context on a device, advanced from the host by two functions.

Owns how the arguments of a call travel to the device: as one array of int64, padded to one of few
shapes where the function is recorded; all of them are recorded before the first call. Knows nothing
of prompts, outputs by name or text.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from lm_envs.model.base import inference
from lm_envs.model.batching import TOKENS_PER_PASS, flat_positions
from lm_envs.model.kv_cache import round_up
from lm_envs.model.state.cuda_graph import Wait, make_function
from lm_envs.model.state.host_arrays import HostArrays
from lm_envs.model.state.row_tensors import RowTensors

FEWEST_TOKENS = 64
"""Tokens of the smallest recorded extension; the others have twice as many each."""

FEWEST_ROWS = 8
"""Rows of the smallest recorded extension; the others have eight times as many each."""


class RowState:
    """Advances N rows, whose tensors are on a device.

    Args:
        tensors: What the device holds.
        records: Record the functions on CUDA, instead of launching their kernels one by one.

    Attributes:
        arrays: Memory on the host for packed outputs.
    """

    def __init__(self, tensors: RowTensors, *, records: bool = True) -> None:
        self._num_rows, self._capacity = tensors.num_rows, tensors.capacity
        self._any_length, device = tensors.model.kernels.any_length, tensors.model.device
        self.arrays = HostArrays(pinned=device.type == "cuda")
        # They refer to the tensors, not to this object: a cycle of references would keep the
        # memory of a GPU until Python looks for cycles.
        options = {"state": tensors.padded, "arrays": self.arrays, "records": records}
        self._decode = make_function(tensors.decode, device, **options)
        self._extend = make_function(tensors.extend, device, **options)
        if self._any_length:
            self._record()

    def decode(self, tokens: np.ndarray, active: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Packed outputs (N, S) after one more token in each active row; see `start_decode`."""
        return self.start_decode(tokens, active, lengths)()

    def start_decode(self, tokens: np.ndarray, active: np.ndarray, lengths: np.ndarray) -> Wait:
        """Launches a step; returns what waits for its packed outputs (N, S).

        Args:
            tokens: (N,) int64.
            active: (N,) bool; another row stays unchanged.
            lengths: (N,) int64 number of tokens in each row so far.
        """
        # An inactive full row would write past its slot; what it writes is never read.
        positions = np.minimum(lengths, self._capacity - 1)
        inputs = np.stack([np.where(active, tokens, 0), positions, active])  # (3, N)
        longest = int(positions.max()) + 1
        context_len = self._capacity if self._any_length else round_up(longest)
        return self._decode.start(inputs, context_len)

    def extend(
        self, rows: np.ndarray, starts: np.ndarray, tokens: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Packed outputs (R, S) of rows after further tokens, in as few launches as possible.

        Args:
            rows: (R,) int64 distinct row numbers.
            starts: (R,) int64 number of its tokens that each row keeps.
            tokens: R arrays (T,) int64, T >= 1.
        """
        sizes = np.array([len(part) for part in tokens])
        packed = []
        for part in _split(sizes):
            own = (rows[part], starts[part], sizes[part])
            inputs, shape = _pad_extension(*own, tokens[part], self._num_rows)
            packed.append(self._extend(inputs, shape)[: len(own[0])])
        return np.concatenate(packed)

    @inference
    def _record(self) -> None:
        """Records both functions for every shape of their inputs, the largest one first.

        Nothing is read yet: the step writes to the beginning of empty rows, an extension nowhere.
        """
        for total, slots in _extension_shapes(self._num_rows, self._capacity):
            example = _empty_extension(total, slots, self._num_rows)
            self._extend.record(example, (total, slots))
        self._decode.record(np.zeros((3, self._num_rows), np.int64), self._capacity)


def _split(sizes: np.ndarray) -> Iterator[slice]:
    """Slices of texts with these numbers of tokens that share a pass."""
    start, total = 0, 0
    for index, size in enumerate(sizes.tolist()):
        if index > start and total + size > TOKENS_PER_PASS:
            yield slice(start, index)
            start, total = index, 0
        total += size
    if len(sizes):
        yield slice(start, len(sizes))


def _pad_extension(
    rows: np.ndarray,
    starts: np.ndarray,
    sizes: np.ndarray,
    tokens: Sequence[np.ndarray],
    num_rows: int,
) -> tuple[np.ndarray, tuple[int, int]]:
    """The input of a recorded extension, and its numbers of tokens and rows.

    Padding has no tokens and belongs to row `num_rows`, which exists for it.
    """
    ends = sizes.cumsum()
    total, slots = FEWEST_TOKENS, FEWEST_ROWS
    while total < ends[-1]:
        total *= 2
    while slots < len(rows):
        slots *= 8
    slots = min(slots, num_rows)
    inputs = _empty_extension(total, slots, num_rows)
    ids, positions = inputs[: 2 * total].reshape(2, total)
    table = inputs[2 * total :].reshape(4, slots)
    ids[: ends[-1]] = np.concatenate(tokens)
    positions[: ends[-1]] = flat_positions(starts, sizes)
    for line, values in zip(table, (rows, starts, sizes, ends - 1), strict=True):
        line[: len(values)] = values
    return inputs, (total, slots)


def _empty_extension(total: int, slots: int, num_rows: int) -> np.ndarray:
    """The input of an extension of M = `total` tokens and R = `slots` rows: padding only."""
    inputs = np.zeros(2 * total + 4 * slots, np.int64)
    inputs[2 * total : 2 * total + slots] = num_rows
    return inputs


def _extension_shapes(num_rows: int, capacity: int) -> list[tuple[int, int]]:
    """Numbers of tokens and rows of every extension that can be padded, most tokens first."""
    shapes, fewest, slots = [], 1, FEWEST_ROWS
    while fewest <= num_rows:
        own = min(slots, num_rows)
        most = max(FEWEST_TOKENS, min(own * capacity, max(TOKENS_PER_PASS, capacity)))
        total = FEWEST_TOKENS
        while total < 2 * most:
            if total >= fewest:
                shapes.append((total, own))
            total *= 2
        fewest, slots = slots + 1, slots * 8
    return sorted(shapes, reverse=True)
