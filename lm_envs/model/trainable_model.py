"""A model that takes steps of its optimizer and can be restored to its checkpoint.

Owns a copy of the weights and their moments; the architecture has the differentiable forward pass.
Knows nothing of how the steps are decided.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from lm_envs.model.architectures.base import HEAD
from lm_envs.model.loading import read_checkpoint

MAX_GRADIENT_NORM = 1.0
"""Gradients are scaled down to this norm, as is usual for language models."""

TEXTS_PER_PASS = 16
"""Texts whose loss is measured in one pass; bounds the memory of their logits."""

_IGNORED = -100
"""Target of tokens that do not count, as `F.cross_entropy` ignores by default."""


class OptimizerStep(NamedTuple):
    """How the next steps are taken.

    Attributes:
        learning_rate: Of AdamW.
        weight_decay: Of AdamW, for all weights alike.
        frozen: (L,) bool, layers whose weights do not change.
    """

    learning_rate: float
    weight_decay: float
    frozen: np.ndarray


class FinetunedModel:
    """The model of a checkpoint with AdamW, without dropout.

    Args:
        folder: Holds config.json and model.safetensors, as for `lm_envs.model.loading.load`.
        device: "cpu", "cuda", …
        bfloat16: Multiply under bfloat16 autocast; weights and sums stay float32.
        num_tokens: Number of the tokenizer's ids, as for `load`; None for all ids.

    Attributes:
        weights: Parameters by their names in the checkpoint, float32.

    Raises:
        ValueError: If the folder holds no finite model of a known architecture.
    """

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        *,
        bfloat16: bool = False,
        num_tokens: int | None = None,
    ) -> None:
        self._architecture, self._config, tensors = read_checkpoint(folder, str(device))
        embeddings = self._architecture.embeddings
        self._head = HEAD if HEAD in tensors else embeddings
        for name in {embeddings, self._head}:
            tensors[name] = tensors[name][:num_tokens]
        self.weights = {
            name: tensors[name].to(torch.float32, copy=True).requires_grad_()
            for name in self._architecture.tensor_shapes(self._config)
        }
        self._device, self._bfloat16 = device, bfloat16
        self._initial = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.restore()

    @torch.no_grad()
    def restore(self) -> None:
        """Sets the weights to those of the checkpoint and forgets the optimizer's moments."""
        for name, weight in self.weights.items():
            weight.copy_(self._initial[name])
        self._optimizer = torch.optim.AdamW(self.weights.values(), fused=True)

    @torch.inference_mode()
    def loss(self, texts: Sequence[np.ndarray], starts: Sequence[int]) -> float:
        """Mean cross-entropy of the texts' tokens from `starts` on, nats a token."""
        totals, count = [], 0
        for first in range(0, len(texts), TEXTS_PER_PASS):
            part = slice(first, first + TEXTS_PER_PASS)
            losses = self._losses(texts[part], starts[part])
            totals.append(losses.sum())
            count += len(losses)
        return sum(torch.stack(totals).tolist()) / count

    def step(
        self, texts: Sequence[np.ndarray], starts: Sequence[int], rule: OptimizerStep
    ) -> tuple[float, float]:
        """One step of the optimizer: loss before it, nats a token, and the gradient's norm.

        Raises:
            FloatingPointError: If the loss is not finite; the weights are unchanged then.
        """
        for layer, is_frozen in enumerate(rule.frozen):
            for name, weight in self.weights.items():
                if name.startswith(self._architecture.layer.format(layer)):
                    weight.requires_grad_(not is_frozen)
        for group in self._optimizer.param_groups:
            group["lr"], group["weight_decay"] = rule.learning_rate, rule.weight_decay
        self._optimizer.zero_grad()
        loss = self._losses(texts, starts).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), MAX_GRADIENT_NORM)
        found, size = torch.stack([loss.detach(), norm]).tolist()  # waits for the device: once
        if not math.isfinite(found):
            raise FloatingPointError(f"Got a loss of {found}; lower the learning rate.")
        self._optimizer.step()
        return found, size

    def hidden_states(self, tokens: torch.Tensor) -> torch.Tensor:
        """Hidden states (E, T, D) after the last norm of texts (E, T) int64, differentiable.

        Padding stands after a text, where causal attention keeps it from every real token.
        """
        return self._architecture.hidden_states(self._config, self.weights, tokens)

    def _losses(self, texts: Sequence[np.ndarray], starts: Sequence[int]) -> torch.Tensor:
        """Cross-entropy (M,) of the texts' tokens from `starts` on."""
        widest = max(map(len, texts))
        tokens = np.zeros((len(texts), widest), np.int64)
        wanted = np.full_like(tokens, _IGNORED)
        for row, (text, start) in enumerate(zip(texts, starts, strict=True)):
            tokens[row, : len(text)] = text
            wanted[row, start : len(text)] = text[start:]
        ids = torch.as_tensor(tokens, device=self._device)
        # Found on the host: a mask on a GPU would wait for it, to learn how many tokens count.
        places = np.flatnonzero(wanted[:, 1:] != _IGNORED)
        flat = np.stack([places, wanted[:, 1:].ravel()[places]])
        indices, targets = torch.as_tensor(flat, device=ids.device)
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self._bfloat16):
            hidden = self.hidden_states(ids[:, :-1]).flatten(0, 1).index_select(0, indices)
            logits = F.linear(hidden, self.weights[self._head])
        return F.cross_entropy(logits.float(), targets, reduction="none")
