"""Prompts that were read, remembered: what a slot held, what the model said, its hidden states.

Owns the copies, the bound on their memory, and which of them go first. Knows nothing of rows.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch

from lm_envs.model.gpt2 import GPT2


@dataclass(frozen=True, slots=True)
class CachedStates:
    """Hidden states (T, D) float32 after every token of a text."""

    states: np.ndarray

    @property
    def num_bytes(self) -> int:
        """Memory of a copy."""
        return self.states.nbytes

    def copy(self) -> "CachedStates":
        """The same in memory of its own."""
        return CachedStates(self.states.copy())


@dataclass(frozen=True, slots=True)
class CachedPrompt:
    """What reading a prompt of P tokens comes to.

    Attributes:
        slot: What is kept of its keys and values, (2, L, H, P, ·) each; see `KVCache.of`.
        state: (S,) float32 what the model says after it; see `Engine.packed_outputs`.
    """

    slot: tuple[torch.Tensor, ...]
    state: np.ndarray

    @property
    def num_bytes(self) -> int:
        """Memory of a copy of both."""
        return sum(part.nbytes for part in self.slot) + self.state.nbytes

    @property
    def num_tokens(self) -> int:
        """P."""
        return self.slot[0].shape[-2]

    def copy(self) -> "CachedPrompt":
        """The same in memory of its own, without gaps."""
        parts = (part.clone(memory_format=torch.contiguous_format) for part in self.slot)
        return CachedPrompt(tuple(parts), self.state.copy())


class PromptCache:
    """Prompts by key; those used longest ago make room for new ones.

    Args:
        max_bytes: Most memory of all together, taken as prompts come.

    Attributes:
        num_bytes: Memory taken.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.num_bytes = max_bytes, 0
        self._prompts: OrderedDict[Hashable, CachedPrompt | CachedStates] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._prompts

    def get(self, key: Hashable) -> CachedPrompt | CachedStates:
        """What is remembered of a prompt by that key."""
        self._prompts.move_to_end(key)
        return self._prompts[key]

    def keep(self, key: Hashable, prompt: CachedPrompt | CachedStates) -> None:
        """Remembers a copy of what is not remembered yet, unless alone it is too large."""
        if prompt.num_bytes > self.max_bytes:
            return
        self._prompts[key] = prompt.copy()
        self.num_bytes += prompt.num_bytes
        while self.num_bytes > self.max_bytes:
            _, oldest = self._prompts.popitem(last=False)
            self.num_bytes -= oldest.num_bytes


def shared(model: GPT2, max_bytes: int) -> PromptCache:
    """The cache of this size that all environments over one model share, while the model lives."""
    return _SHARED.setdefault(model, {}).setdefault(max_bytes, PromptCache(max_bytes))


_SHARED: WeakKeyDictionary[GPT2, dict[int, PromptCache]] = WeakKeyDictionary()
