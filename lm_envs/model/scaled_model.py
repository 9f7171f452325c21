"""Losses of texts under a model whose heads and perceptrons are scaled, for each text separately.

Owns the loss of a text under given scales. Knows nothing of how scales are chosen.
"""

from collections.abc import Sequence

import numpy as np
import torch

from lm_envs.model.base import LanguageModel, inference
from lm_envs.model.batching import forward_padded, padded_batches, to_device
from lm_envs.model.lm_head import LMHead


class ScaledModel:
    """Computes losses of texts under a model and scales of its parts.

    The parts of a layer are its H attention heads and its perceptron, in this order; a part's scale
    multiplies what it adds to the residual stream. The bias of attention's output is not scaled.

    Args:
        model: The network; its weights do not change.

    Attributes:
        shape: (L, H + 1), numbers of layers and of parts in a layer.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.shape = (model.config.num_layers, model.config.num_heads + 1)
        self._model, self._head = model, LMHead(model, 1, required=0)

    @inference
    def losses(
        self,
        texts: Sequence[np.ndarray],
        starts: Sequence[int],
        scales: np.ndarray,
        temperatures: np.ndarray,
    ) -> np.ndarray:
        """Mean cross-entropy (B,) float64 of each text's tokens from a position on, nats a token.

        A text's loss does not depend on the texts beside it.

        Args:
            texts: B arrays (T,) int64, T at most the model's `max_positions`.
            starts: B positions, 1 <= start < T: the first token that counts.
            scales: (B, L, H + 1) float32.
            temperatures: (B,) float32, divisors of the logits.
        """
        device = self._model.device
        losses = np.zeros(len(texts))
        for part, tokens, lengths in padded_batches(texts):
            rows = torch.arange(len(part), device=device)
            attend = self._model.kernels.prefill_attention(None, rows, tokens.shape[1])
            positions, first = np.arange(tokens.shape[1]), np.array([starts[i] for i in part])
            is_target = (positions >= first[:, None]) & (positions < lengths[:, None])  # (R, T)
            # Found on the host: a mask on a GPU would wait for it, to learn how many tokens count.
            before, sizes = np.flatnonzero(np.roll(is_target, -1, 1)), is_target.sum(1)
            divisors = np.repeat(temperatures[part], sizes)
            arrays = (tokens, before, tokens[is_target], scales[part], divisors)
            ids, before, targets, own_scales, divisors = to_device(device, *arrays)
            hidden = forward_padded(self._model, ids, attend, own_scales)
            states = hidden.flatten(0, 1).index_select(0, before)
            logprobs = self._head.token_logprobs(states, targets, divisors)
            found = -logprobs.cpu().numpy().astype(np.float64)
            losses[part] = np.add.reduceat(found, np.cumsum(sizes) - sizes) / sizes
        return losses
