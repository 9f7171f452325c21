"""Reads growing texts through KV slots: of N texts only what is new.

Owns the slots and what stands in them. Knows nothing of actions or values.
"""

import numpy as np
import torch

from lm_envs.model.cache import Decode, KVSlots, round_up
from lm_envs.model.engine import read_prompts
from lm_envs.model.gpt2 import GPT2


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

    def __init__(self, model: GPT2, num_rows: int, capacity: int) -> None:
        config = model.config
        self._model = model
        self._slots = KVSlots(
            num_layers=config.n_layer,
            num_rows=num_rows,
            num_heads=config.n_head,
            head_size=config.n_embd // config.n_head,
            capacity=capacity + 1,  # rows that stand still write past their end
            dtype=model.attention_dtype,
            device=model.device,
        )
        self._tokens = np.zeros((num_rows, capacity), np.int64)
        self._lengths = np.zeros(num_rows, np.int64)
        self._hidden = torch.zeros(num_rows, config.n_embd, device=model.device)
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
            read_prompts(self._model, self._slots, rows, prompts, self._hidden)
            self.num_prefilled += len(rows)
        if is_next.any():
            self._append(tokens, lengths, is_next)
        self._tokens, self._lengths = tokens.copy(), lengths.copy()
        return self._hidden.clone()

    def _append(self, tokens: np.ndarray, lengths: np.ndarray, is_next: np.ndarray) -> None:
        """Reads the last token of the rows `is_next`; others write past the end of their text."""
        positions = np.where(is_next, lengths - 1, lengths)
        live = round_up(int(positions.max()) + 1)
        last = np.maximum(lengths - 1, 0)
        new = torch.as_tensor(tokens[np.arange(len(tokens)), last], device=self._model.device)
        places = torch.as_tensor(positions, device=new.device)
        seen = places.clamp(max=self._model.config.n_positions - 1)
        hidden = self._model.forward(new, seen, Decode(self._slots, places, live))
        changed = torch.as_tensor(is_next, device=new.device)[:, None]
        self._hidden = torch.where(changed, hidden, self._hidden)
        self.num_appended += int(is_next.sum())
