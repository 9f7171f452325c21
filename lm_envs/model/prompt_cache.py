"""Cache of prompts that were read: their keys and values, outputs and hidden states.

Owns the bound on memory and the sharing between environments. Knows nothing of rows.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch

from lm_envs.lru import LRUCache
from lm_envs.model.base import LanguageModel


@dataclass(frozen=True, slots=True)
class CachedText:
    """What was computed for a text of P tokens.

    Attributes:
        prefix: Stored keys and values, (2, L, H, P, ·) each, as in
            `lm_envs.model.state.prefixes`; empty where only hidden states are cached.
        array: Packed outputs (S,) float32 after the text, see `Engine.packed_outputs`; or its
            hidden states (P, D) float32.
    """

    prefix: tuple[torch.Tensor, ...]
    array: np.ndarray

    @property
    def num_bytes(self) -> int:
        """Memory of both, in bytes."""
        return sum(part.nbytes for part in self.prefix) + self.array.nbytes

    @property
    def num_tokens(self) -> int:
        """P, of a text with keys and values."""
        return self.prefix[0].shape[-2]


class PromptCache(LRUCache[Hashable, CachedText]):
    """Texts by key; the least recently used are removed when memory runs out.

    Args:
        max_bytes: Most memory of all texts together, allocated as texts are added.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes, lambda _, text: text.num_bytes)


def shared(model: LanguageModel, max_bytes: int) -> PromptCache:
    """One cache per (model, size), shared by all environments; it is freed with the model."""
    return _SHARED.setdefault(model, {}).setdefault(max_bytes, PromptCache(max_bytes))


_SHARED: WeakKeyDictionary[LanguageModel, dict[int, PromptCache]] = WeakKeyDictionary()
