"""Token embeddings as points that can be averaged, projected and searched.

Owns scaled copies of the token embeddings. Knows nothing of rows' histories or of text.
"""

import numpy as np
import torch
import torch.nn.functional as F

from lm_envs.model.base import LanguageModel, for_sums, inference
from lm_envs.model.kernels.linear import Linear
from lm_envs.pca import principal_axes

SPREAD = 3.0
"""Standard deviations of a component in one unit of the projected space."""


class TokenSpace:
    """The token embeddings on their leading principal components, in units of 3 deviations.

    Most tokens lie in [-1, 1] along every axis.

    Args:
        model: Has the token embeddings.
        dim: d, number of components, at most the embedding size.
    """

    def __init__(self, model: LanguageModel, dim: int) -> None:
        embeddings = for_sums(model, model.token_embeddings.float())
        centered = embeddings - embeddings.mean(0)
        _, axes = principal_axes(centered.cpu().numpy(), dim)  # (D, d)
        points = centered @ torch.as_tensor(axes, dtype=torch.float32, device=centered.device)
        self._points = points / (SPREAD * points.std(0))  # (V, d)
        self._distances = Linear(-2.0 * self._points, self._points.square().sum(1))

    @inference
    def points(self, tokens: np.ndarray) -> np.ndarray:
        """Points (…, d) float32 of tokens (…) int64."""
        ids = torch.as_tensor(tokens, device=self._points.device)
        return self._points[ids].cpu().numpy()

    @inference
    def nearest(self, points: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
        """The nearest token to each point, exactly; the first of equally near ones.

        Args:
            points: (N, d) float32.
            allowed: (N, K) int64 tokens to choose from; default all.

        Returns:
            (N,) int64 tokens.
        """
        targets = torch.as_tensor(points, device=self._points.device)
        if allowed is None:  # |t - p|^2 without |p|^2, which is the same for all tokens
            return self._distances(targets).argmin(1).cpu().numpy()
        tokens = torch.as_tensor(allowed, device=targets.device)
        gaps = (self._points[tokens] - targets[:, None]).square().sum(-1)  # (N, K)
        return tokens.gather(1, gaps.argmin(1, keepdim=True))[:, 0].cpu().numpy()


class TextEmbeddings:
    """Token embeddings of whole texts, each dimension in units of its deviation over all tokens.

    Raw embeddings are an order of magnitude smaller than hidden states, too small for a network to
    learn from soon.

    Args:
        model: Has the token embeddings.
    """

    def __init__(self, model: LanguageModel) -> None:
        embeddings = for_sums(model, model.token_embeddings.float())
        self._vectors = embeddings / embeddings.std(0)  # (V, D)

    @property
    def bound(self) -> np.ndarray:
        """(D,) largest magnitude in each dimension."""
        return self._vectors.abs().amax(0).cpu().numpy()

    @inference
    def pooled(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Mean (N, D) float32 of each row's first `lengths` of `tokens` (N, C), times sqrt(length).

        The factor keeps it as large as one token's embedding, for texts of any length.
        """
        is_text = np.arange(tokens.shape[1]) < lengths[:, None]  # (N, C)
        ids = torch.as_tensor(tokens[is_text], device=self._vectors.device)
        sizes = torch.as_tensor(lengths, device=ids.device)
        firsts = sizes.cumsum(0) - sizes
        total = F.embedding_bag(ids, self._vectors, firsts, mode="sum")  # (N, D)
        return (total / sizes.clamp(min=1).sqrt()[:, None]).cpu().numpy()

    @inference
    def last(self, tokens: np.ndarray, lengths: np.ndarray, count: int) -> np.ndarray:
        """Embeddings (N, count, D) float32 of each row's last tokens, the newest last.

        Zeros stand before the beginning of a text.
        """
        places = lengths[:, None] + np.arange(-count, 0)  # (N, count)
        ids = np.take_along_axis(tokens, np.maximum(places, 0), 1)
        vectors = self._vectors[torch.as_tensor(ids, device=self._vectors.device)]
        return vectors.cpu().numpy() * (places >= 0)[..., None]
