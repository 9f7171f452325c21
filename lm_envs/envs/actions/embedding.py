"""`actions="embedding"`: an action is a point in the space of token embeddings."""

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.base import DEFAULT_K, Setup
from lm_envs.envs.actions.token_actions import TokenActions
from lm_envs.envs.actions.top_k import check_dimensions, check_k
from lm_envs.envs.observations.features import CandidatePoints, Feature
from lm_envs.model.embeddings import TokenSpace
from lm_envs.model.engine import Outputs
from lm_envs.validation import check_count

DEFAULT_DIM = 8


class EmbeddingActions(TokenActions):
    """An action is a point; the nearest allowed token is written. For continuous control.

    The space holds the leading principal components of the model's token embeddings, scaled so that
    most tokens lie in [-1, 1] along each axis.

    Args:
        dim: d, number of components.
        top_k: The model's k most likely tokens and the end token are allowed; None for all tokens.

    Attributes:
        tokens: Where each token lies in the space.
    """

    def __init__(self, *, dim: int = DEFAULT_DIM, top_k: int | None = DEFAULT_K) -> None:
        check_count("dim", dim)
        if top_k is not None:
            check_k("embedding", top_k)
        self.num_candidates = DEFAULT_K if top_k is None else top_k
        self.dim = dim
        self.space = gym.spaces.Box(-1.0, 1.0, (dim,), np.float32)
        self._is_limited = top_k is not None

    def prepare(self, setup: Setup) -> None:
        """Projects the model's token embeddings.

        Raises:
            ValueError: If `dim` is larger than the embeddings.
        """
        check_dimensions("embedding", "dim", self.dim, setup)
        super().prepare(setup)
        self.tokens = TokenSpace(setup.model, self.dim)

    def to_tokens(self, actions: np.ndarray, outputs: Outputs, rows: np.ndarray) -> np.ndarray:
        """Returns the allowed tokens (N,) that are nearest to the points (N, d)."""
        return self.tokens.nearest(actions, outputs.candidates if self._is_limited else None)

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Returns the points (N, d) of the candidates of these ranks (N,), clipped to the space."""
        tokens = np.take_along_axis(self.outputs.candidates, ranks[:, None], 1)[:, 0]
        return self.tokens.points(tokens).clip(-1.0, 1.0)

    def features(self) -> list[Feature]:
        """Returns the candidates' columns, where each candidate lies, and the budget left."""
        features = super().features()
        features.insert(1, CandidatePoints(self.tokens, self.num_candidates, self.dim))
        return features
