"""Next-token outputs for N rows of token ids. Knows nothing of text.

Owns the KV cache, the lengths of the rows and their last hidden states; the only way to the model.
Ids come in and small arrays go out: tensors and the (N, V) logits stay inside, and each step makes
one copy from the device to the host.
"""

from collections.abc import Sequence

import numpy as np
import torch

from lm_envs.model.base import LanguageModel, for_sums, inference
from lm_envs.model.batching import (
    ExtendedRows,
    extend_rows,
    prefill_rows,
    split_into_passes,
    to_device,
)
from lm_envs.model.kv_cache import CACHE_DTYPES
from lm_envs.model.lm_head import LMHead, top_k_top_p_mask
from lm_envs.model.outputs import Outputs, packed_size, unpack
from lm_envs.model.prompt_cache import CachedText, PromptCache
from lm_envs.model.scoring import Scorer
from lm_envs.model.state.cuda_graph import Wait
from lm_envs.model.state.prefixes import copy_between_rows, copy_prefixes, restore_prefixes
from lm_envs.model.state.row_state import RowState
from lm_envs.model.state.row_tensors import RowTensors


class Engine(Scorer):
    """A language model and N rows of context, advanced together.

    `Scorer` has the methods that touch no row: `score`, `next_token_logprobs`, `hidden_states`.

    Args:
        model: The network; may be shared by many engines.
        num_rows: N.
        capacity: Most tokens in a row, at most the model's `max_positions`.
        num_candidates: K, number of candidates for the next token.
        end_token: Id of the end of text, which is always among the candidates.
        cache_dtype: Type of stored keys and values: "auto", the type of the model's linears, or
            "int8". With int8 every method that reads or writes a row uses the rounded values; the
            methods of `Scorer` are as exact as with "auto".
        prompts: Stores prompts, so that a repeated one is copied instead of computed; may be shared
            by the engines of one model. None stores nothing.

    Attributes:
        num_rows: N.
        capacity: Most tokens in a row.
        lengths: (N,) int64 number of tokens in each row.
        end_token: Id of the end of text.
        cache_dtype: As given.
    """

    def __init__(
        self,
        model: LanguageModel,
        num_rows: int,
        *,
        capacity: int,
        num_candidates: int,
        end_token: int,
        cache_dtype: str = "auto",
        prompts: PromptCache | None = None,
    ) -> None:
        super().__init__(model, LMHead(model, num_candidates, end_token), prompts)
        self._num_candidates = num_candidates
        self.num_rows, self.capacity, self.end_token = num_rows, capacity, end_token
        self.cache_dtype = cache_dtype
        self.lengths = np.zeros(num_rows, np.int64)
        stored = CACHE_DTYPES[cache_dtype]
        self._tensors = RowTensors(model, self._head, num_rows, capacity, stored)
        self._state = RowState(self._tensors)
        # What a cached prompt holds depends on these.
        self._prompt_kind = (num_candidates, end_token, self._tensors.cache.dtype)
        size = packed_size(model.config.hidden_size, num_candidates)
        self._wait: Wait | None = None
        self._set_outputs(np.zeros((num_rows, size), np.float32))

    @property
    def outputs(self) -> Outputs:
        """The latest outputs; waits for a step that `start_decode` has launched."""
        self._finish_decode()
        return self._outputs

    @property
    def num_bytes(self) -> int:
        """Memory of the KV cache, in bytes."""
        return self._tensors.cache.num_bytes

    @inference
    def prefill(self, rows: np.ndarray, prompts: Sequence[np.ndarray]) -> Outputs:
        """Restarts the given rows from their prompts; other rows stay unchanged.

        A cached prompt is copied, and one that several rows start from is computed once.

        Args:
            rows: (R,) int64 distinct row numbers.
            prompts: R arrays (P,) int64, 1 <= P <= capacity.
        """
        if not self._prompts.capacity:
            return self._prefill(rows, prompts)
        computed: list[int] = []

        def compute(indices: list[int]) -> list[CachedText]:
            computed.extend(indices)
            self._prefill(rows[indices], [prompts[index] for index in indices])
            return self._get_rows(rows[indices])

        keys = [(*self._prompt_kind, prompt.tobytes()) for prompt in prompts]
        cached = self._prompts.get_or_compute(keys, compute)
        others = [index for index in range(len(prompts)) if index not in computed]
        if others:
            self._set_rows(rows[others], [cached[index] for index in others])
        return self.outputs

    @inference
    def copy_rows(self, rows: np.ndarray, sources: np.ndarray) -> Outputs:
        """Sets keys, values and outputs of some rows to those of others; further rows stay.

        Args:
            rows: (R,) int64 distinct row numbers.
            sources: (R,) int64 row whose present contents each of them gets.
        """
        if len(rows):
            packed, lengths = self.packed_outputs(sources), self.lengths[sources]
            copy_between_rows(self._tensors.cache, rows, sources, lengths)
            self.restore_outputs(rows, packed, lengths)
        return self.outputs

    def decode(self, tokens: np.ndarray, active: np.ndarray | None = None) -> Outputs:
        """Appends one token to every row, or to the rows where `active` is True.

        Args:
            tokens: (N,) int64; the value at an inactive row is ignored.
            active: (N,) bool, default all.
        """
        self.start_decode(tokens, active)
        return self.outputs

    @inference
    def start_decode(self, tokens: np.ndarray, active: np.ndarray | None = None) -> None:
        """As `decode`, without waiting for a GPU: `outputs` does that when they are asked for."""
        if active is None:
            active = np.ones(self.num_rows, bool)
        assert (self.lengths < self.capacity)[active].all(), "a full row cannot grow"
        self._wait = self._state.start_decode(tokens, active, self.lengths)
        self.lengths += active
        self.num_forward_tokens += int(active.sum())

    @inference
    def extend(self, rows: np.ndarray, starts: np.ndarray, tokens: Sequence[np.ndarray]) -> Outputs:
        """Continues some rows from an earlier position; other rows stay unchanged.

        On CPU, and of a deterministic model, a row's numbers are the same whether its tokens come
        in one call or in several.

        Args:
            rows: (R,) int64 distinct row numbers.
            starts: (R,) int64 number of its tokens that each row keeps.
            tokens: R arrays (T,) int64 to read after them, T >= 1, starts + T <= capacity.
        """
        if self._model.kernels.any_length:
            return self._extend_recorded(rows, starts, tokens)
        for part in split_into_passes(tokens):
            self._extend(rows[part], starts[part], tokens[part])
        return self._compute_outputs(rows)

    @inference
    def extend_scored(self, rows: np.ndarray, tokens: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Appends several tokens to each of some rows; other rows stay unchanged.

        Args:
            rows: (R,) int64 distinct row numbers.
            tokens: R arrays (T,) int64, T >= 1.

        Returns:
            For each row the log-probabilities (T,) float64 of its tokens, nats.
        """
        scores: list[np.ndarray] = []
        for part in split_into_passes(tokens):
            new, before = self._extend(rows[part], self.lengths[rows[part]], tokens[part])
            logprobs = self._head.token_logprobs(before, new.tokens)
            packed = self._pack(new.rows)
            both = torch.cat([logprobs, packed.flatten()]).cpu().numpy()  # one copy to the host
            *scored, outputs = np.split(both, np.cumsum([len(own) for own in tokens[part]]))
            scores += [own.astype(np.float64) for own in scored]
            self._merge_outputs(rows[part], outputs.reshape(packed.shape))
        return scores

    def packed_outputs(self, rows: np.ndarray) -> np.ndarray:
        """The outputs of some rows in one array (R, S) float32, for `restore_outputs`."""
        self._finish_decode()
        return self._packed[rows]

    @inference
    def restore_outputs(
        self, rows: np.ndarray, packed: np.ndarray, lengths: np.ndarray | None = None
    ) -> Outputs:
        """Sets the outputs of some rows to `packed` (R, S), and their lengths if they are given.

        Their slots stay unchanged: before a row is continued, it must hold the text.

        Args:
            rows: (R,) int64 distinct row numbers.
            packed: Result of `packed_outputs` for the same texts in any row.
            lengths: (R,) int64 number of tokens in each of them; None for what they have.
        """
        if lengths is not None:
            self.lengths[rows] = lengths
        slots, states = to_device(self._model.device, rows, packed)
        self._tensors.hidden.index_copy_(0, slots, states[:, : self._tensors.hidden.shape[1]])
        self._tensors.log_z.index_copy_(0, slots, states[:, -2])
        return self._merge_outputs(rows, packed)

    @inference
    def score_options(
        self, rows: np.ndarray, options: Sequence[Sequence[np.ndarray]]
    ) -> list[list[np.ndarray]]:
        """Log-probability of each token of alternative continuations of rows.

        Nothing is appended. A row's numbers depend on its own tokens and options only.

        Args:
            rows: (R,) int64 distinct row numbers.
            options: For each row the same number of arrays (T,) int64, T >= 1.

        Returns:
            For each row and option (T,) float64, nats.
        """
        cache, hidden = self._tensors.cache, self._tensors.hidden
        return self._score_options(cache, rows, self.lengths[rows], hidden, options)

    @inference
    def top_k_top_p_mask(self, top_k: int | None, top_p: float | None) -> np.ndarray:
        """The next tokens that `top_k` and `top_p` both keep, (N, V) bool; always the end token.

        Args:
            top_k: Keeps the k most likely; None keeps all.
            top_p: Keeps the fewest that have this probability together; None keeps all.
        """
        logits = for_sums(self._model, self._head.logits(self._tensors.hidden))
        keep = top_k_top_p_mask(logits, top_k, top_p)
        keep[:, self.end_token] = True
        return keep.cpu().numpy()

    @inference
    def logprobs_of(self, tokens: np.ndarray) -> np.ndarray:
        """Log-probabilities (N, M) float32 of tokens (N, M) int64 as each row's next, nats."""
        (ids,) = to_device(self._model.device, tokens)
        logprobs = self._head.token_logits(self._tensors.hidden, ids) - self._tensors.log_z[:, None]
        return logprobs.cpu().numpy()

    def _prefill(self, rows: np.ndarray, prompts: Sequence[np.ndarray]) -> Outputs:
        if self._model.kernels.any_length:
            return self._extend_recorded(rows, np.zeros_like(rows), prompts)
        prefill_rows(self._model, self._tensors.cache, rows, prompts, self._tensors.hidden)
        self.lengths[rows] = [len(prompt) for prompt in prompts]
        self.num_forward_tokens += int(self.lengths[rows].sum())
        return self._compute_outputs(rows)

    def _extend_recorded(
        self, rows: np.ndarray, starts: np.ndarray, tokens: Sequence[np.ndarray]
    ) -> Outputs:
        """Reads tokens into slots and computes the rows' outputs in the same launch."""
        packed = self._state.extend(rows, starts, tokens)
        sizes = [len(part) for part in tokens]
        self.num_forward_tokens += sum(sizes)
        self.lengths[rows] = starts + sizes
        return self._merge_outputs(rows, packed)

    def _extend(
        self, rows: np.ndarray, starts: np.ndarray, tokens: Sequence[np.ndarray]
    ) -> tuple[ExtendedRows, torch.Tensor]:
        """Reads tokens into slots; returns them and the hidden state (M, D) before each of them."""
        sizes = [len(part) for part in tokens]
        stops = starts + sizes
        self.num_forward_tokens += sum(sizes)
        assert (stops <= self.capacity).all(), "a full row cannot grow"
        new = extend_rows(self._model, self._tensors.cache, rows, starts, tokens)
        hidden = self._tensors.hidden
        before = new.states.roll(1, 0)
        before.index_copy_(0, new.first, hidden.index_select(0, new.rows))
        hidden.index_copy_(0, new.rows, new.states.index_select(0, new.last))
        self.lengths[rows] = stops
        return new, before

    def _get_rows(self, rows: np.ndarray) -> list[CachedText]:
        """Copies of the rows' keys, values and outputs."""
        prefixes = copy_prefixes(self._tensors.cache, rows, self.lengths[rows])
        packed = self.packed_outputs(rows)
        pairs = zip(prefixes, packed, strict=True)
        return [CachedText(prefix, array.copy()) for prefix, array in pairs]

    def _set_rows(self, rows: np.ndarray, texts: Sequence[CachedText]) -> None:
        """Sets the keys, values and outputs of rows to those of texts."""
        restore_prefixes(self._tensors.cache, rows, [text.prefix for text in texts])
        lengths = np.array([text.num_tokens for text in texts])
        self.restore_outputs(rows, np.stack([text.array for text in texts]), lengths)

    def _compute_outputs(self, rows: np.ndarray) -> Outputs:
        """Outputs after the last hidden states of `rows`; those of other rows stay."""
        packed = self._pack(*to_device(self._model.device, rows))
        return self._merge_outputs(rows, packed.cpu().numpy())

    def _pack(self, rows: torch.Tensor) -> torch.Tensor:
        """Packed outputs (R, S) after the last hidden states of `rows`; sets their log Z."""
        packed = self._tensors.pack(self._tensors.hidden.index_select(0, rows))
        self._tensors.log_z.index_copy_(0, rows, packed[:, -2])
        return packed

    def _finish_decode(self) -> None:
        """Sets the outputs to those of a launched step, if there is one."""
        if self._wait is not None:
            self._set_outputs(self._wait())

    def _merge_outputs(self, rows: np.ndarray, packed: np.ndarray) -> Outputs:
        """Sets the outputs of `rows` to `packed` (R, S), in new arrays."""
        self._finish_decode()
        merged = self._state.arrays.copy(self._packed)
        merged[rows] = packed
        return self._set_outputs(merged)

    def _set_outputs(self, packed: np.ndarray) -> Outputs:
        """Sets and returns the outputs of all rows from `packed` (N, S), which is kept."""
        self._packed, self._wait = packed, None
        self._outputs = unpack(packed, self._num_candidates)
        return self._outputs
