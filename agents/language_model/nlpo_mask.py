"""Which words a policy may choose: those that a copy of it, renewed now and then, holds likely.

Owns the arguments of a mask and the copy's reading. Knows nothing of rollouts or updates.

Source: Ramamurthy et al. 2022, https://arxiv.org/abs/2210.01241, section 4 (NLPO).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from agents.language_model.incremental_decoder import Decoder
from agents.language_model.network import Keep, TrainableGPT2
from lm_envs.model.lm_head import top_k_top_p_mask
from lm_envs.validation import check_count, check_number


@dataclass(frozen=True, slots=True)
class Mask:
    """The words that `top_k` and `top_p` both keep, as the copy sees them.

    Attributes:
        top_k: As many of the likeliest words; None for all.
        top_p: The fewest words that hold this probability; None for all.
        every: Updates after which the copy takes over the policy's weights.

    Raises:
        ValueError: If a number is out of range, or nothing would be masked.
    """

    top_k: int | None = None
    top_p: float | None = None
    every: int = 10

    def __post_init__(self) -> None:
        if self.top_k is None and self.top_p is None:
            raise ValueError("Got a mask without top_k and top_p; give one of them, or no mask.")
        if self.top_k is not None:
            check_count("top_k", self.top_k)
        if self.top_p is not None:
            check_number("top_p", self.top_p)
            if not 0.0 < self.top_p < 1.0:
                raise ValueError(f"Got top_p={self.top_p!r}; allowed: between 0 and 1.")
        check_count("every", self.every)

    def keep(self, logits: torch.Tensor) -> torch.Tensor:
        """(M, V) bool, of the copy's logits (M, V)."""
        return top_k_top_p_mask(logits, self.top_k, self.top_p)


class Masker(nn.Module):
    """The copy of a policy that says which words may be chosen.

    Args:
        mask: What it keeps.
        copy: Begins with the policy's weights.
        dtype: Of the linears where it reads running texts.
    """

    age: torch.Tensor
    """Updates of the policy since the copy took over its weights."""

    def __init__(self, mask: Mask, copy: TrainableGPT2, dtype: torch.dtype) -> None:
        super().__init__()
        self._mask, self._dtype = mask, dtype
        self.copy = copy.requires_grad_(requires_grad=False)
        self.register_buffer("age", torch.tensor(0))
        self._decoder: Decoder | None = None

    def count_update(self) -> None:
        """Tells that the policy's weights are about to be updated."""
        self.age += 1

    def expire(self) -> None:
        """Has the copy take over the weights the next time that it may."""
        self.age.fill_(self._mask.every)

    def renew(self, network: TrainableGPT2) -> None:
        """Takes over the policy's weights, where the copy is old enough; not within an update."""
        if self.age >= self._mask.every:
            self.copy.take_over(network)
            self.age.zero_()
            self.forget()

    def forget(self) -> None:
        """Drops what was read: the copy's weights are others now."""
        self._decoder = None

    def keep(self, tokens: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
        """Words that may follow the first `lengths` (N,) of `tokens` (N, C): (N, num_words)."""
        if self._decoder is None:
            self._decoder = self.copy.decoder(self._dtype)
        return self._mask.keep(self._decoder.logits(self._decoder.read(tokens, lengths)))

    @torch.no_grad()
    def keep_of_steps(
        self, tokens: torch.Tensor, episode: torch.Tensor, position: torch.Tensor
    ) -> Keep:
        """Words that may follow the first `position` (M,) tokens of texts `episode` (M,)."""
        hidden = self.copy(tokens)[episode, position - 1]  # (M, D)
        return lambda rows: self._mask.keep(
            self.copy.logits(hidden[rows])[:, : self.copy.num_words]
        )
