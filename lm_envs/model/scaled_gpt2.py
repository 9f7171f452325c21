"""A GPT-2 whose parts are turned up, down or off, for each text in its own way.

Owns what a text's loss is then. Knows nothing of who turns, or why.
"""

from collections.abc import Sequence

import numpy as np
import torch

from lm_envs.model.batching import batches, read_padded
from lm_envs.model.gpt2 import GPT2
from lm_envs.model.kv_cache import PrefillAttention
from lm_envs.model.lm_head import LMHead
from lm_envs.model.logits import log_sum_exp, rows_per_pass


class ScaledGPT2:
    """LossCache of texts under a model and scales of its parts.

    The parts of a layer are its H attention heads and its perceptron, in this order; a part's scale
    multiplies what it adds to the stream. The biases of attention stay.

    Args:
        model: The network; its weights do not change.

    Attributes:
        shape: (L, H + 1), how many parts there are.
    """

    def __init__(self, model: GPT2) -> None:
        self.shape = (model.config.n_layer, model.config.n_head + 1)
        self._model, self._head = model, LMHead(model, 1, always=0)

    @torch.inference_mode()
    def losses(
        self,
        texts: Sequence[np.ndarray],
        starts: Sequence[int],
        scales: np.ndarray,
        temperatures: np.ndarray,
    ) -> np.ndarray:
        """Mean cross-entropy (B,) float64 of each text's tokens from a place on, nats a token.

        A text's loss does not depend on the texts beside it.

        Args:
            texts: B arrays (T,) int64, T <= `n_positions`.
            starts: B places, 1 <= start < T: the first token that counts.
            scales: (B, L, H + 1) float32.
            temperatures: (B,) float32, what logits are divided by.
        """
        device = self._model.device
        found = np.zeros(len(texts))
        for part, tokens, lengths in batches(texts):
            fill = PrefillAttention(None, torch.arange(len(part), device=device), tokens.shape[1])
            own = torch.as_tensor(scales[part], device=device)
            hidden = read_padded(self._model, tokens, fill, own)
            places, first = np.arange(tokens.shape[1]), np.array([starts[text] for text in part])
            is_judged = (places >= first[:, None]) & (places < lengths[:, None])  # (R, T)
            before = torch.as_tensor(np.roll(is_judged, -1, 1), device=device)
            sizes = is_judged.sum(1)
            words = torch.as_tensor(tokens[is_judged], device=device)
            warmth = torch.as_tensor(np.repeat(temperatures[part], sizes), device=device)
            losses = self._losses(hidden[before], words, warmth).cpu().numpy().astype(np.float64)
            found[part] = np.add.reduceat(losses, np.cumsum(sizes) - sizes) / sizes
        return found

    def _losses(
        self, hidden: torch.Tensor, words: torch.Tensor, temperatures: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy (M,) of one word after each hidden state (M, D), nats."""
        step = rows_per_pass(self._model.config.vocab_size)
        parts = zip(hidden.split(step), words.split(step), temperatures.split(step), strict=True)
        found = []
        for states, chosen, warmth in parts:
            log_z = log_sum_exp(self._head.logits(states) / warmth[:, None])
            found.append(log_z - self._head.read(states, chosen[:, None])[:, 0] / warmth)
        return torch.cat(found)
