"""Reads growing texts through KV slots, of N texts only what is new, and chooses next words.

Owns the slots and what stands in them. Knows nothing of values or gradients.
"""

from collections import OrderedDict

import numpy as np
import torch

from lm_envs.model.base import LanguageModel
from lm_envs.model.batching import make_cache, prefill_rows
from lm_envs.model.kernels.torch_ops import log_sum_exp, top_tokens
from lm_envs.model.kv_cache import round_up
from lm_envs.model.lm_head import LMHead

MOST_READERS = 3
"""Batch sizes whose running texts are remembered: training, evaluation, and one more."""

NUM_BEST = 8
"""The best word is looked for among this many, which are judged in float32."""


class Decoder:
    """A language model that writes: reads running texts and chooses their next words.

    Args:
        model: Its weights do not change.
        num_words: Words that can be chosen: the first so many.
        temperature: What logits are divided by.
    """

    def __init__(self, model: LanguageModel, num_words: int, temperature: float) -> None:
        self._model, self._head = model, LMHead(model, NUM_BEST, required=0)
        self._num_words, self._temperature = num_words, temperature
        self._readers: OrderedDict[int, Reader] = OrderedDict()

    def reader(self, num_rows: int, capacity: int) -> "Reader":
        """What remembers the running texts of N rows; those used longest ago are forgotten."""
        if num_rows not in self._readers:
            self._readers[num_rows] = Reader(self._model, num_rows, capacity)
        self._readers.move_to_end(num_rows)
        while len(self._readers) > MOST_READERS:
            self._readers.popitem(last=False)
        return self._readers[num_rows]

    def read(self, tokens: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
        """Last hidden states (N, D) float32 of the first `lengths` (N,) of `tokens` (N, C)."""
        return self.reader(*tokens.shape).read(tokens, lengths)

    @torch.no_grad()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_words) by temperature after hidden states (N, D)."""
        return self._head.logits(hidden)[:, : self._num_words] / self._temperature

    @torch.no_grad()
    def choose(
        self, hidden: torch.Tensor, keep: torch.Tensor | None, *, deterministic: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Words (N,) after hidden states (N, D), drawn or the best, and their log-probabilities.

        Words that `keep` (N, num_words) leaves out are not chosen.
        """
        logits = self.logits(hidden)
        if keep is not None:
            logits = logits.masked_fill(~keep, -torch.inf)
        words = self._best(hidden, logits) if deterministic else _sample(logits)
        values = self._head.token_logits(hidden, words[:, None])[:, 0] / self._temperature
        return words, values - (log_sum_exp(logits) if keep is None else logits.logsumexp(-1))

    def _best(self, hidden: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        words = top_tokens(logits, NUM_BEST).sort(-1).values
        values = self._head.token_logits(hidden, words)
        is_masked = logits.gather(-1, words).isneginf()
        place = values.masked_fill(is_masked, -torch.inf).argmax(-1, keepdim=True)
        return words.gather(-1, place)[:, 0]


class Reader:
    """Hidden states of N texts that mostly grow by one token between calls.

    A text that is what its slot holds is not read; one that is longer by a token is read by that
    token; any other is read afresh. So a caller may ask about anything, in any order.

    Args:
        model: Reads the texts; its weights do not change.
        num_rows: N.
        capacity: C, most tokens in a text.

    Attributes:
        num_prefilled: Texts that were read afresh.
        num_appended: Tokens that were read one by one.
    """

    def __init__(self, model: LanguageModel, num_rows: int, capacity: int) -> None:
        self._model = model
        # One more position than texts have: rows that stand still write past their end.
        self._slots = make_cache(model, num_rows, capacity + 1)
        self._tokens = np.zeros((num_rows, capacity), np.int64)
        self._lengths = np.zeros(num_rows, np.int64)
        self._hidden = torch.zeros(num_rows, model.config.hidden_size, device=model.device)
        self.num_prefilled = 0
        self.num_appended = 0

    @torch.no_grad()
    def read(self, tokens: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
        """Last hidden states (N, D) float32 of the first `lengths` (N,) of `tokens` (N, C)."""
        places = np.arange(tokens.shape[1])
        is_same = ((tokens == self._tokens) | (places >= self._lengths[:, None])).all(1)
        grown = lengths - self._lengths
        is_next = is_same & (grown == 1) & (self._lengths > 0)
        is_new = ~(is_next | (is_same & (grown == 0)))
        if is_new.any():
            rows = np.flatnonzero(is_new)
            prompts = [tokens[row, : lengths[row]] for row in rows]
            prefill_rows(self._model, self._slots, rows, prompts, self._hidden)
            self.num_prefilled += len(rows)
        if is_next.any():
            self._append(tokens, lengths, is_next)
        self._tokens, self._lengths = tokens.copy(), lengths.copy()
        return self._hidden.clone()

    def _append(self, tokens: np.ndarray, lengths: np.ndarray, is_next: np.ndarray) -> None:
        """Reads the last token of the rows `is_next`; others write past the end of their text."""
        positions = np.where(is_next, lengths - 1, lengths)
        context_len = round_up(int(positions.max()) + 1)
        last = np.maximum(lengths - 1, 0)
        new = torch.as_tensor(tokens[np.arange(len(tokens)), last], device=self._model.device)
        places = torch.as_tensor(positions, device=new.device)
        seen = places.clamp(max=self._model.config.max_positions - 1)
        attend = self._model.kernels.decode_attention(self._slots, places, context_len)
        hidden = self._model.forward(new, seen, attend)
        changed = torch.as_tensor(is_next, device=new.device)[:, None]
        self._hidden = torch.where(changed, hidden, self._hidden)
        self.num_appended += int(is_next.sum())


def _sample(logits: torch.Tensor) -> torch.Tensor:
    """One word a row (N,), by its probability: where the distribution function passes a draw."""
    cumulative = logits.softmax(-1).cumsum(-1)
    draws = torch.rand_like(cumulative[:, :1]) * cumulative[:, -1:]
    passed = torch.searchsorted(cumulative, draws, right=True)[:, 0]
    return passed.clamp(max=logits.shape[1] - 1)  # a draw may be rounded up to the last value
