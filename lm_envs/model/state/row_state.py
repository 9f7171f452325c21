"""What the device holds for N rows of context, and the two functions that advance them.

Owns the KV cache, the last hidden states and the packed outputs, and how the arguments of a call
travel to the device: as one array of int64. Knows nothing of prompts, outputs by name or text.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from lm_envs.model.attention import Extension
from lm_envs.model.base import LanguageModel
from lm_envs.model.batching import TOKENS_PER_PASS, make_cache
from lm_envs.model.kv_cache import round_up
from lm_envs.model.lm_head import LMHead
from lm_envs.model.state.cuda_graph import CapturedFunction, DeviceFunction, HostFunction
from lm_envs.model.state.host_arrays import HostArrays
from lm_envs.model.state.memory import check_room

FEWEST_TOKENS = 64
"""Tokens of the smallest recorded extension; the others have twice as many each."""

FEWEST_ROWS = 8
"""Rows of the smallest recorded extension; the others have eight times as many each."""


class RowState:
    """Keys, values and last hidden states of N rows on the model's device.

    Args:
        model: The network.
        head: Its output head.
        num_rows: N.
        capacity: Most tokens in a row.
        cache_dtype: Type of stored keys and values; None for that of the model's linears.
        records: Record the functions on CUDA, instead of launching their kernels one by one.

    Attributes:
        cache: The KV cache.
        arrays: Memory on the host for packed outputs.
    """

    def __init__(
        self,
        model: LanguageModel,
        head: LMHead,
        num_rows: int,
        capacity: int,
        cache_dtype: torch.dtype | None,
        *,
        records: bool = True,
    ) -> None:
        check_room(model, num_rows, capacity, cache_dtype)
        self._model, self._head = model, head
        self._num_rows, self._capacity = num_rows, capacity
        self._records = records and model.device.type == "cuda"
        self.cache = make_cache(model, num_rows, capacity, cache_dtype)
        # One row more than N: padding of a recorded extension is written to it.
        self._hidden = torch.zeros(num_rows + 1, model.config.hidden_size, device=model.device)
        self._log_z = torch.zeros(num_rows + 1, device=model.device)
        self.arrays = HostArrays(pinned=model.device.type == "cuda")
        self._decode = self._host_function(self._decode_packed)
        self._extend = self._host_function(self._extend_packed)

    @property
    def hidden(self) -> torch.Tensor:
        """(N, D) float32 last hidden states; writes change the state."""
        return self._hidden[:-1]

    @property
    def log_z(self) -> torch.Tensor:
        """(N,) float32 log of the sum of exponentiated logits; writes change the state."""
        return self._log_z[:-1]

    def decode(self, tokens: np.ndarray, active: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Packed outputs (N, S) after one more token in each active row.

        Args:
            tokens: (N,) int64.
            active: (N,) bool; another row stays unchanged.
            lengths: (N,) int64 number of tokens in each row so far.
        """
        # An inactive full row would write past its slot; what it writes is never read.
        positions = np.minimum(lengths, self._capacity - 1)
        inputs = np.stack([np.where(active, tokens, 0), positions, active])  # (3, N)
        longest = int(positions.max()) + 1
        any_length = self._model.kernels.any_length
        return self._decode(inputs, self._capacity if any_length else round_up(longest))

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

    def pack(self, hidden: torch.Tensor, chosen: torch.Tensor | None = None) -> torch.Tensor:
        """Hidden states and what follows from them in one tensor (N, S).

        Hidden states, log-probabilities, candidates, log Z, and `chosen` (N,), by default 0.
        """
        top = self._head.top_k(hidden)
        candidates = top.candidates.float()  # ids are exact in float32 up to 2**24
        last = torch.zeros_like(top.log_z) if chosen is None else chosen
        columns = (top.log_z[:, None], last[:, None])
        return torch.cat([hidden, top.logprobs, candidates, *columns], -1)

    def _host_function(self, function: DeviceFunction) -> HostFunction | CapturedFunction:
        device, state = self._model.device, (self._hidden, self._log_z)
        if not self._records:
            return HostFunction(function, device)
        return CapturedFunction(function, device, state, self.arrays)

    def _decode_packed(self, inputs: torch.Tensor, context_len: int) -> torch.Tensor:
        """Packed outputs (N, S) after one token a row; the state is updated in place.

        Args:
            inputs: (3, N) int64: tokens, their positions, and which rows are active.
            context_len: Number of leading positions of the slots to read.
        """
        tokens, positions, active = inputs
        state, log_z = self.hidden, self.log_z
        chosen = self._head.token_logits(state, tokens[:, None])[:, 0] - log_z
        attend = self._model.kernels.decode_attention(self.cache, positions, context_len)
        hidden = self._model.forward(tokens, positions, attend)
        state.copy_(torch.where(active[:, None] > 0, hidden, state))
        packed = self.pack(state, chosen)
        log_z.copy_(packed[:, -2])
        return packed

    def _extend_packed(self, inputs: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        """Packed outputs (R, S) after the last tokens; the state is updated in place.

        Args:
            inputs: (2 M + 4 R,) int64: tokens and positions (M,); rows, starts, sizes and the
                index of the last token (R,).
            shape: M and R.
        """
        num_tokens, num_rows = shape
        tokens, positions = inputs[: 2 * num_tokens].view(2, num_tokens)
        rows, starts, sizes, last = inputs[2 * num_tokens :].view(4, num_rows)
        extension = Extension(rows, starts, sizes, num_tokens, num_tokens, self._capacity)
        attend = self._model.kernels.extend_attention(self.cache, extension)
        hidden = self._model.forward(tokens, positions, attend).index_select(0, last)
        self._hidden.index_copy_(0, rows, hidden)
        packed = self.pack(hidden)
        self._log_z.index_copy_(0, rows, packed[:, -2])
        return packed


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
    inputs = np.zeros(2 * total + 4 * slots, np.int64)
    ids, positions = inputs[: 2 * total].reshape(2, total)
    table = inputs[2 * total :].reshape(4, slots)
    ids[: ends[-1]] = np.concatenate(tokens)
    positions[: ends[-1]] = np.arange(ends[-1]) + np.repeat(starts + sizes - ends, sizes)
    table[0] = num_rows
    for line, values in zip(table, (rows, starts, sizes, ends - 1), strict=True):
        line[: len(values)] = values
    return inputs, (total, slots)
