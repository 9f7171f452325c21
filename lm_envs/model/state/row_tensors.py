"""The tensors that a device holds for N rows of context, and the functions that advance them.

A function takes one int64 tensor and a constant, updates the tensors in place and returns packed
outputs, so that it can be recorded. Knows nothing of the host; `row_state` prepares the arguments.
"""

import torch

from lm_envs.model.attention import Extension
from lm_envs.model.base import LanguageModel
from lm_envs.model.batching import make_cache
from lm_envs.model.lm_head import LMHead
from lm_envs.model.state.memory import check_room


class RowTensors:
    """Keys, values and last hidden states of N rows.

    Args:
        model: The network.
        head: Its output head.
        num_rows: N.
        capacity: Most tokens in a row.
        cache_dtype: Type of stored keys and values; None for that of the model's linears.

    Attributes:
        model: As given.
        num_rows: N.
        capacity: As given.
        cache: The KV cache.
        padded: Hidden states (N + 1, D) and log Z (N + 1,), float32. Padding of a recorded
            extension is written to the last row.
    """

    def __init__(
        self,
        model: LanguageModel,
        head: LMHead,
        num_rows: int,
        capacity: int,
        cache_dtype: torch.dtype | None,
    ) -> None:
        check_room(model, num_rows, capacity, cache_dtype)
        self.model, self.num_rows, self.capacity = model, num_rows, capacity
        self._head = head
        self.cache = make_cache(model, num_rows, capacity, cache_dtype)
        hidden = torch.zeros(num_rows + 1, model.config.hidden_size, device=model.device)
        self.padded = (hidden, torch.zeros(num_rows + 1, device=model.device))

    @property
    def hidden(self) -> torch.Tensor:
        """(N, D) float32 last hidden states; writes change the state."""
        return self.padded[0][:-1]

    @property
    def log_z(self) -> torch.Tensor:
        """(N,) float32 log of the sum of exponentiated logits; writes change the state."""
        return self.padded[1][:-1]

    def pack(self, hidden: torch.Tensor, chosen: torch.Tensor | None = None) -> torch.Tensor:
        """Hidden states and what follows from them in one tensor (N, S).

        Hidden states, log-probabilities, candidates, log Z, and `chosen` (N,), by default 0.
        """
        top = self._head.top_k(hidden)
        candidates = top.candidates.float()  # ids are exact in float32 up to 2**24
        last = torch.zeros_like(top.log_z) if chosen is None else chosen
        columns = (top.log_z[:, None], last[:, None])
        return torch.cat([hidden, top.logprobs, candidates, *columns], -1)

    def decode(self, inputs: torch.Tensor, context_len: int) -> torch.Tensor:
        """Packed outputs (N, S) after one token a row; the state is updated in place.

        Args:
            inputs: (3, N) int64: tokens, their positions, and which rows are active.
            context_len: Number of leading positions of the slots to read.
        """
        tokens, positions, active = inputs
        state, log_z = self.hidden, self.log_z
        chosen = self._head.token_logits(state, tokens[:, None])[:, 0] - log_z
        attend = self.model.kernels.decode_attention(self.cache, positions, context_len)
        hidden = self.model.forward(tokens, positions, attend)
        state.copy_(torch.where(active[:, None] > 0, hidden, state))
        packed = self.pack(state, chosen)
        log_z.copy_(packed[:, -2])
        return packed

    def extend(self, inputs: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        """Packed outputs (R, S) after the last tokens; the state is updated in place.

        Args:
            inputs: (2 M + 4 R,) int64: tokens and positions (M,); rows, starts, sizes and the
                index of the last token (R,).
            shape: M and R.
        """
        num_tokens, num_rows = shape
        tokens, positions = inputs[: 2 * num_tokens].view(2, num_tokens)
        rows, starts, sizes, last = inputs[2 * num_tokens :].view(4, num_rows)
        extension = Extension(rows, starts, sizes, num_tokens, num_tokens, self.capacity)
        attend = self.model.kernels.extend_attention(self.cache, extension)
        hidden = self.model.forward(tokens, positions, attend).index_select(0, last)
        self.padded[0].index_copy_(0, rows, hidden)
        packed = self.pack(hidden)
        self.padded[1].index_copy_(0, rows, packed[:, -2])
        return packed
