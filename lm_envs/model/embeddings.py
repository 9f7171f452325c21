"""Word vectors: the model's words as points that can be averaged, projected and searched.

Owns a projected copy of the word embeddings. Knows nothing of rows' histories or of text.
"""

import numpy as np
import torch
import torch.nn.functional as F

from lm_envs.model.gpt2 import GPT2
from lm_envs.model.kernels.linear import Linear

SPREAD = 3.0
"""Standard deviations of a component that a unit of the projected space stands for."""


class TokenSpace:
    """The word embeddings on their leading principal components, in units of 3 deviations.

    Most words lie in [-1, 1] along every axis.

    Args:
        model: Whose word embeddings are meant.
        dim: d, how many components to keep, at most the embedding size.
    """

    def __init__(self, model: GPT2, dim: int) -> None:
        embeddings = model.word_embeddings.float()
        centered = embeddings - embeddings.mean(0)
        _, vectors = torch.linalg.eigh(centered.T @ centered)  # ascending eigenvalues
        axes = vectors.flip(1)[:, :dim]  # (D, d)
        axes = axes * axes.sum(0).sign()  # eigenvectors have no sign of their own
        points = centered @ axes
        self._points = points / (SPREAD * points.std(0))  # (V, d)
        self._distances = Linear(-2.0 * self._points, self._points.square().sum(1))

    @torch.inference_mode()
    def points(self, words: np.ndarray) -> np.ndarray:
        """Points (..., d) float32 of some words (...)."""
        ids = torch.as_tensor(words, device=self._points.device)
        return self._points[ids].cpu().numpy()

    @torch.inference_mode()
    def nearest(self, points: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
        """The nearest word to each point, exactly; of equally near ones the first.

        Args:
            points: (N, d) float32.
            allowed: (N, K) words to choose from; default all.

        Returns:
            (N,) int64 words.
        """
        targets = torch.as_tensor(points, device=self._points.device)
        if allowed is None:  # |w - p|^2 without |p|^2, which all words share
            return self._distances(targets).argmin(1).cpu().numpy()
        words = torch.as_tensor(allowed, device=targets.device)
        gaps = (self._points[words] - targets[:, None]).square().sum(-1)  # (N, K)
        return words.gather(1, gaps.argmin(1, keepdim=True))[:, 0].cpu().numpy()


class TextEmbeddings:
    """Word embeddings of whole texts, each dimension in units of its deviation over all words.

    Raw embeddings are an order of magnitude smaller than hidden states, too small for a network to
    learn from soon.

    Args:
        model: Whose word embeddings are meant.
    """

    def __init__(self, model: GPT2) -> None:
        embeddings = model.word_embeddings.float()
        self._vectors = embeddings / embeddings.std(0)  # (V, D)

    @property
    def bound(self) -> np.ndarray:
        """(D,) largest magnitude in each dimension."""
        return self._vectors.abs().amax(0).cpu().numpy()

    @torch.inference_mode()
    def pooled(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Mean (N, D) float32 of each row's first `lengths` of `tokens` (N, C), times sqrt(length).

        The factor keeps it as large as one word's embedding, however long the text.
        """
        is_text = np.arange(tokens.shape[1]) < lengths[:, None]  # (N, C)
        ids = torch.as_tensor(tokens[is_text], device=self._vectors.device)
        sizes = torch.as_tensor(lengths, device=ids.device)
        firsts = sizes.cumsum(0) - sizes
        total = F.embedding_bag(ids, self._vectors, firsts, mode="sum")  # (N, D)
        return (total / sizes.clamp(min=1).sqrt()[:, None]).cpu().numpy()

    @torch.inference_mode()
    def last(self, tokens: np.ndarray, lengths: np.ndarray, count: int) -> np.ndarray:
        """Embeddings (N, count, D) float32 of each row's last tokens, the newest last.

        Zeros stand before the beginning of a text.
        """
        places = lengths[:, None] + np.arange(-count, 0)  # (N, count)
        ids = np.take_along_axis(tokens, np.maximum(places, 0), 1)
        vectors = self._vectors[torch.as_tensor(ids, device=self._vectors.device)]
        return vectors.cpu().numpy() * (places >= 0)[..., None]
