"""NLPO masks: tokens that a slowly updated copy of the policy holds likely.

Owns the options of a mask, the copy of the policy and its KV cache. Knows nothing of rollouts.

Source: Ramamurthy et al. 2022, https://arxiv.org/abs/2210.01241, section 4 (NLPO).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from agents.language_model.incremental_decoder import CurrentDecoder
from lm_envs.model.lm_head import top_k_top_p_mask
from lm_envs.validation import check_count, check_number

if TYPE_CHECKING:  # see `LoRA.adapt`
    from agents.language_model.network import AllowedTokens, TrainableNetwork


@dataclass(frozen=True, slots=True)
class NLPOMaskSpec:
    """Options of a mask: tokens that both `top_k` and `top_p` keep under the copy are allowed.

    Attributes:
        top_k: Number of likeliest tokens kept; None for all.
        top_p: Keeps the fewest tokens that hold this probability, in (0, 1); None for all.
        every: Updates of the policy between two copies of its weights.

    Raises:
        ValueError: If a number is out of range, or neither `top_k` nor `top_p` is given.
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

    def allowed(self, logits: torch.Tensor) -> torch.Tensor:
        """Returns the mask (M, V) bool of the copy's logits (M, V)."""
        return top_k_top_p_mask(logits, self.top_k, self.top_p)


class NLPOMask(nn.Module):
    """A copy of a policy's network, and the tokens that it allows.

    Args:
        spec: Options.
        copy: Network with the policy's initial weights; becomes part of this module.
        dtype: Of the linears during rollouts.

    Attributes:
        age: () int64, updates of the policy since its weights were copied.
    """

    # `copy` and `age` are keys of saved checkpoints ("masker.copy.…", "masker.age").
    age: torch.Tensor

    def __init__(self, spec: NLPOMaskSpec, copy: "TrainableNetwork", dtype: torch.dtype) -> None:
        super().__init__()
        self._spec = spec
        self.copy = copy.requires_grad_(requires_grad=False)
        self.register_buffer("age", torch.tensor(0))
        self._decoder = CurrentDecoder(lambda: self.copy.decoder(dtype))

    def count_update(self) -> None:
        """Counts one update of the policy's weights."""
        self.age += 1

    def mark_stale(self) -> None:
        """Makes the next `update_copy` copy the weights, whatever the age."""
        self.age.fill_(self._spec.every)

    def update_copy(self, network: "TrainableNetwork") -> None:
        """Copies the policy's weights if the copy is old enough.

        Must not be called between the minibatches of an update: all of them need the mask under
        which the tokens were sampled.
        """
        if self.age >= self._spec.every:
            self.copy.copy_weights_from(network)
            self.age.zero_()
            self.clear_cache()

    def clear_cache(self) -> None:
        """Drops cached keys and values, which belong to former weights of the copy."""
        self._decoder.drop()

    def allowed(self, tokens: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
        """Returns the tokens (N, tokenizer_size) bool allowed after N running texts.

        Args:
            tokens: (N, C) int64.
            lengths: (N,) int64 numbers of tokens that count.
        """
        decoder = self._decoder.get()
        return self._spec.allowed(decoder.logits(decoder.read(tokens, lengths)))

    @torch.no_grad()
    def allowed_at_steps(
        self, tokens: torch.Tensor, episode: torch.Tensor, position: torch.Tensor
    ) -> "AllowedTokens":
        """Returns the tokens allowed at M steps of whole texts, as a function of a slice of steps.

        Args:
            tokens: (E, T) int64.
            episode: (M,) int64 text of each step.
            position: (M,) int64 number of tokens before each step.
        """
        hidden = self.copy(tokens)[episode, position - 1]  # (M, D)
        size = self.copy.tokenizer_size
        return lambda rows: self._spec.allowed(self.copy.logits(hidden[rows])[:, :size])
