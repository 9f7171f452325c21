"""Decoding for a policy: forwards only the new tokens of N growing texts, and chooses next tokens.

Owns the KV caches of the running texts. Knows nothing of values, rewards or gradients.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from lm_envs.lru import LRUCache
from lm_envs.model.base import LanguageModel
from lm_envs.model.batching import make_cache, prefill_rows, to_device
from lm_envs.model.kernels.torch_ops import log_sum_exp, top_tokens
from lm_envs.model.kv_cache import round_up
from lm_envs.model.lm_head import LMHead
from lm_envs.model.state.cuda_graph import make_function
from lm_envs.model.state.host_arrays import HostArrays
from lm_envs.model.state.prefixes import copy_between_rows

MAX_READERS = 3
"""Sizes of a batch with a KV cache of their own: training, evaluation, and one more."""

NUM_BEST = 8
"""Greedy tokens are chosen among this many best logits, which are computed again in float32: the
order of the best may differ where the linears run in bfloat16."""


class CurrentDecoder:
    """The decoder of a network in training: made on first use after a change of the weights.

    Where decoding is recorded, one decoder is kept and the new weights are copied into it, because
    the recordings refer to its memory; else an outdated decoder is dropped, and the update has its
    memory.

    Args:
        make: Makes a decoder with the network's present weights.
        keeps: Whether to keep the decoder; default: on CUDA.

    Attributes:
        is_current: Whether there is a decoder with the present weights.
    """

    def __init__(
        self, make: Callable[[], "IncrementalDecoder"], *, keeps: bool | None = None
    ) -> None:
        self._make, self._keeps = make, keeps
        self._decoder: IncrementalDecoder | None = None
        self.is_current = False

    def get(self) -> "IncrementalDecoder":
        """Returns the decoder with the present weights."""
        if self._decoder is None:
            self._decoder = self._make()
        elif not self.is_current:
            self._decoder = self._decoder.replaced_by(self._make())
        self.is_current = True
        return self._decoder

    def drop(self) -> None:
        """Drops cached keys and values; has to follow every change of the weights."""
        self.is_current = False
        if self._decoder is not None:
            keeps = self._decoder.is_recorded if self._keeps is None else self._keeps
            self._decoder = self._decoder if keeps else None


class IncrementalDecoder:
    """Hidden states of running texts, and next tokens after them.

    Args:
        model: Its weights change by `replaced_by` only.
        tokenizer_size: Tokens with ids below this can be chosen; the model's vocabulary may be
            padded beyond it.
        temperature: Divides logits.
    """

    def __init__(self, model: LanguageModel, tokenizer_size: int, temperature: float) -> None:
        self._model, self._head = model, LMHead(model, NUM_BEST, required=0)
        self._tensors = [*model.tensors, *self._head.tensors]
        self._tokenizer_size, self._temperature = tokenizer_size, temperature
        self._readers: LRUCache[tuple[int, int], PrefixReader] = LRUCache(MAX_READERS)

    @property
    def is_recorded(self) -> bool:
        """Whether steps are recorded, so that the weights have to stay where they are."""
        return self._model.device.type == "cuda"

    @torch.no_grad()
    def replaced_by(self, other: "IncrementalDecoder") -> "IncrementalDecoder":
        """Returns this decoder with the weights of another of the same network, or the other.

        The weights are overwritten in place, and no text counts as read. It is the other that is
        returned if only one of the two has an output head of its own.
        """
        if self._model.config != other._model.config:
            return other
        for own, new in zip(self._tensors, other._tensors, strict=True):
            own.copy_(new)
        for reader in self._readers.values:
            reader.forget()
        return self

    def reader(self, num_rows: int, capacity: int) -> "PrefixReader":
        """Returns the reader of this size, made on first use; that used longest ago is dropped."""

        def make(_: list[int]) -> list[PrefixReader]:
            return [PrefixReader(self._model, num_rows, capacity)]

        return self._readers.get_or_compute([(num_rows, capacity)], make)[0]

    def read(self, tokens: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
        """Computes last hidden states (N, D) float32 of N texts.

        Args:
            tokens: (N, C) int64.
            lengths: (N,) int64; only the first `lengths` tokens of each row count.
        """
        return self.reader(*tokens.shape).read(tokens, lengths)

    @torch.no_grad()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Computes logits (N, tokenizer_size), divided by the temperature, of (N, D) states."""
        return self._head.logits(hidden)[:, : self._tokenizer_size] / self._temperature

    @torch.no_grad()
    def choose(
        self, hidden: torch.Tensor, allowed: torch.Tensor | None, *, deterministic: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Chooses next tokens after hidden states (N, D).

        Args:
            hidden: (N, D) float32.
            allowed: (N, tokenizer_size) bool, tokens that may be chosen; None for all.
            deterministic: Whether to take the likeliest token in place of a sample.

        Returns:
            Tokens (N,) int64 and their log-probabilities (N,) among the allowed ones, nats.
        """
        logits = self.logits(hidden)
        if allowed is not None:
            logits = logits.masked_fill(~allowed, -torch.inf)
        tokens = self._best(hidden, logits) if deterministic else sample_tokens(logits)
        values = self._head.token_logits(hidden, tokens[:, None])[:, 0] / self._temperature
        total = log_sum_exp(logits, tokens) if allowed is None else logits.logsumexp(-1)
        return tokens, values - total

    def _best(self, hidden: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        tokens = top_tokens(logits, NUM_BEST).sort(-1).values
        values = self._head.token_logits(hidden, tokens)
        is_masked = logits.gather(-1, tokens).isneginf()
        column = values.masked_fill(is_masked, -torch.inf).argmax(-1, keepdim=True)
        return tokens.gather(-1, column)[:, 0]


class PrefixReader:
    """Hidden states of N texts, most of which grow by one token between calls.

    A text equal to the cached one is not forwarded again; one longer by a token is forwarded by
    that token; any other is prefilled. So texts may be passed in any order.

    Args:
        model: After a change of its weights, `forget` has to be called.
        num_rows: N.
        capacity: C, maximum number of tokens in a text.

    Attributes:
        num_prefilled: Number of texts prefilled so far.
        num_appended: Number of tokens forwarded one by one so far.
    """

    def __init__(self, model: LanguageModel, num_rows: int, capacity: int) -> None:
        self._texts = _RunningTexts(model, num_rows, capacity)
        self._tokens = np.zeros((num_rows, capacity), np.int64)
        self._lengths = np.zeros(num_rows, np.int64)
        self._append_tokens = make_function(
            self._texts.append,
            model.device,
            state=[self._texts.hidden],
            arrays=HostArrays(pinned=model.device.type == "cuda"),
        )
        self.num_prefilled = 0
        self.num_appended = 0

    def forget(self) -> None:
        """Makes every text a new one."""
        self._lengths[:] = 0

    @torch.no_grad()
    def read(self, tokens: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
        """Computes last hidden states (N, D) float32 of the first `lengths` (N,) tokens (N, C)."""
        positions = np.arange(tokens.shape[1])
        is_same = ((tokens == self._tokens) | (positions >= self._lengths[:, None])).all(1)
        growth = lengths - self._lengths
        is_next = is_same & (growth == 1) & (self._lengths > 0)
        is_new = ~(is_next | (is_same & (growth == 0)))
        if is_new.any():
            rows = np.flatnonzero(is_new)
            prompts = [tokens[row, : lengths[row]] for row in rows]
            self._texts.prefill(rows, prompts)
            self.num_prefilled += len(rows)
        if is_next.any():
            self._append(tokens, lengths, is_next)
        self._tokens, self._lengths = tokens.copy(), lengths.copy()
        return self._texts.hidden.clone()

    def _append(self, tokens: np.ndarray, lengths: np.ndarray, is_next: np.ndarray) -> None:
        """Forwards the last token of the rows `is_next` (N,).

        All rows take part, so that the pass has one shape; the others write one position past the
        end of their text, where their next token overwrites it, and their output is dropped.
        """
        positions = np.where(is_next, lengths - 1, lengths)
        last = np.maximum(lengths - 1, 0)
        inputs = np.stack([tokens[np.arange(len(tokens)), last], positions, is_next])  # (3, N)
        self._append_tokens.run(inputs, self._texts.context_len(int(positions.max()) + 1))
        self.num_appended += int(is_next.sum())


class _RunningTexts:
    """What the device holds for N texts: keys, values and last hidden states (N, D) float32."""

    def __init__(self, model: LanguageModel, num_rows: int, capacity: int) -> None:
        self._model = model
        # One more position than texts have: rows that do not grow write past their end.
        self._cache = make_cache(model, num_rows, capacity + 1)
        self.hidden = torch.zeros(num_rows, model.config.hidden_size, device=model.device)

    def context_len(self, longest: int) -> int:
        """Returns how many positions a step reads, for texts of up to `longest` tokens."""
        return self._cache.capacity if self._model.kernels.any_length else round_up(longest)

    def prefill(self, rows: np.ndarray, prompts: Sequence[np.ndarray]) -> None:
        """Restarts rows (R,) from R prompts; equal ones, as those of a group, are read once."""
        sources: dict[bytes, int] = {}
        origins = [
            sources.setdefault(prompt.tobytes(), row)
            for row, prompt in zip(rows.tolist(), prompts, strict=True)
        ]
        is_first = rows == origins
        first = [prompt for prompt, is_new in zip(prompts, is_first, strict=True) if is_new]
        prefill_rows(self._model, self._cache, rows[is_first], first, self.hidden)
        others, copied = rows[~is_first], np.array(origins)[~is_first]
        if len(others):
            lengths = np.array([len(prompt) for prompt in prompts])[~is_first]
            copy_between_rows(self._cache, others, copied, lengths)
            targets, origin = to_device(self.hidden.device, others, copied)
            self.hidden.index_copy_(0, targets, self.hidden.index_select(0, origin))

    def append(self, inputs: torch.Tensor, context_len: int) -> torch.Tensor:
        """Forwards a token in each row; `inputs` (3, N): tokens, positions, whether it counts."""
        new, slots, is_changed = inputs
        clamped = slots.clamp(max=self._model.config.max_positions - 1)
        attend = self._model.kernels.decode_attention(self._cache, slots, context_len)
        hidden = self._model.forward(new, clamped, attend)
        self.hidden.copy_(torch.where(is_changed[:, None] > 0, hidden, self.hidden))
        return self.hidden


def sample_tokens(logits: torch.Tensor) -> torch.Tensor:
    """Samples one token per row (N,) of logits (N, V)."""
    # Sums on a GPU are computed in parallel and need not grow from one token to the next, so that
    # inversion may return a token of probability 0. Sampling on a CPU keeps its random numbers.
    return sample_by_maximum(logits) if logits.is_cuda else sample_by_inversion(logits)


def sample_by_maximum(logits: torch.Tensor) -> torch.Tensor:
    """Samples one token per row (N,): the largest logit after Gumbel noise is added to each.

    Source: Gumbel-max trick, Maddison et al. 2014, https://arxiv.org/abs/1411.0030.
    """
    exponential = torch.empty_like(logits).exponential_()
    least = torch.finfo(logits.dtype).tiny  # -inf + inf would be NaN
    return (logits - exponential.clamp_(min=least).log_()).argmax(-1)


def sample_by_inversion(logits: torch.Tensor) -> torch.Tensor:
    """Samples one token per row (N,) of logits (N, V), by inverting the distribution function."""
    cumulative = logits.softmax(-1).cumsum(-1)
    total = cumulative[:, -1:]
    draws = torch.rand_like(total) * total
    # A draw may be rounded up to the total, past which only tokens of probability 0 are left.
    below = torch.nextafter(total, torch.zeros_like(total))
    return torch.searchsorted(cumulative, torch.minimum(draws, below), right=True)[:, 0]
