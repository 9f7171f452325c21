"""A GPT-2 that takes steps of its optimizer, and can be what it was again.

Owns a copy of the weights and their moments. Knows nothing of who decides about the steps.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

FUSED_GELU = "gelu_pytorch_tanh"
"""GPT-2's activation, "gelu_new", as one operation that keeps one tensor for its gradient."""

CLIPPED_NORM = 1.0
"""Gradients are scaled down to this norm, as is usual."""

JUDGED_TOGETHER = 16
"""Texts that are judged in one pass; bounds the memory of their logits."""

_IGNORED = -100
"""What stands for tokens that are not judged."""


class OptimizerStep(NamedTuple):
    """How the next steps are taken.

    Attributes:
        learning_rate: Of AdamW.
        weight_decay: Of AdamW, for all weights alike.
        frozen: (L,) bool, layers whose weights stay.
    """

    learning_rate: float
    weight_decay: float
    frozen: np.ndarray


class FinetunedGPT2:
    """The `GPT2LMHeadModel` of a checkpoint with AdamW, without dropout.

    Args:
        folder: Holds config.json and model.safetensors, which `weights.load` has accepted.
        device: "cpu", "cuda", …
        bfloat16: Multiply under bfloat16 autocast; weights and sums stay float32.
    """

    def __init__(self, folder: Path, device: torch.device, *, bfloat16: bool = False) -> None:
        config = GPT2Config.from_json_file(folder / "config.json")
        config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
        config.activation_function = FUSED_GELU
        with torch.random.fork_rng(devices=[]):  # weights are drawn, and replaced
            model = GPT2LMHeadModel(config)
        read = load_file(folder / "model.safetensors")
        weights = {name.removeprefix("transformer."): tensor for name, tensor in read.items()}
        own = model.transformer.state_dict()
        model.transformer.load_state_dict({name: weights[name] for name in own})
        self._model = model.to(device)  # type: ignore[arg-type]  # of a decorated method
        self._bfloat16 = bfloat16
        self._first = [each.detach().clone() for each in model.parameters()]
        self.restore()

    @torch.no_grad()
    def restore(self) -> None:
        """The weights of the checkpoint, and no moments."""
        for parameter, first in zip(self._model.parameters(), self._first, strict=True):
            parameter.copy_(first)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), fused=True)

    @torch.inference_mode()
    def loss(self, texts: Sequence[np.ndarray], starts: Sequence[int]) -> float:
        """Mean cross-entropy of the texts' tokens from `starts` on, nats a token."""
        total, count = 0.0, 0
        for first in range(0, len(texts), JUDGED_TOGETHER):
            part = slice(first, first + JUDGED_TOGETHER)
            losses = self._losses(texts[part], starts[part])
            total, count = total + losses.sum().item(), count + len(losses)
        return total / count

    def step(
        self, texts: Sequence[np.ndarray], starts: Sequence[int], rule: OptimizerStep
    ) -> tuple[float, float]:
        """One step of the optimizer: loss before it, nats a token, and the gradient's norm.

        Raises:
            FloatingPointError: If the loss is not finite; the weights are as they were then.
        """
        for block, is_frozen in zip(self._model.transformer.h, rule.frozen, strict=True):
            block.requires_grad_(not is_frozen)
        for group in self._optimizer.param_groups:
            group["lr"], group["weight_decay"] = rule.learning_rate, rule.weight_decay
        self._optimizer.zero_grad()
        loss = self._losses(texts, starts).mean()
        if not torch.isfinite(loss):
            raise FloatingPointError(f"Got a loss of {loss.item()}; lower the learning rate.")
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), CLIPPED_NORM)
        self._optimizer.step()
        return loss.item(), norm.item()

    def _losses(self, texts: Sequence[np.ndarray], starts: Sequence[int]) -> torch.Tensor:
        """Cross-entropy (M,) of the texts' tokens from `starts` on."""
        widest = max(map(len, texts))
        tokens = np.zeros((len(texts), widest), np.int64)
        wanted = np.full_like(tokens, _IGNORED)
        for row, (text, start) in enumerate(zip(texts, starts, strict=True)):
            tokens[row, : len(text)] = text
            wanted[row, start : len(text)] = text[start:]
        ids = torch.as_tensor(tokens, device=self._model.device)
        targets = torch.as_tensor(wanted[:, 1:], device=ids.device)
        is_judged = targets != _IGNORED
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self._bfloat16):
            read = self._model.transformer(input_ids=ids[:, :-1], use_cache=False)
            logits = self._model.lm_head(read.last_hidden_state[is_judged])
        return F.cross_entropy(logits.float(), targets[is_judged], reduction="none")
