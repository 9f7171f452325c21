"""`actions="vocabulary"`: an action is a token id."""

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.base import DEFAULT_K, Setup
from lm_envs.envs.actions.token_actions import TokenActions
from lm_envs.envs.observations.features import BudgetLeft, Feature
from lm_envs.model.engine import Outputs
from lm_envs.validation import check_count, check_number


class VocabularyActions(TokenActions):
    """Action a writes token a: for algorithms with action masks, and for language-model policies.

    Args:
        top_k: `masks` allows the k most likely tokens; None for all.
        top_p: `masks` allows the smallest set of most likely tokens that holds this probability,
            0 < top_p <= 1; None for all.
    """

    meaning = "token ids"

    def __init__(self, *, top_k: int | None = None, top_p: float | None = None) -> None:
        if top_k is not None:
            check_count("top_k", top_k)
        if top_p is not None:
            check_number("top_p", top_p)
        if top_p is not None and not 0.0 < top_p <= 1.0:
            raise ValueError(f"Got top_p={top_p!r} for actions; allowed: over 0, up to 1.")
        self._top_k, self._top_p = top_k, top_p

    def prepare(self, setup: Setup) -> None:
        """Sets the space to the size of the model's vocabulary."""
        size = setup.model.config.vocab_size
        self.num_candidates = min(DEFAULT_K, size - len(setup.tokenizer.special_tokens))
        self.space = gym.spaces.Discrete(size)
        super().prepare(setup)

    def to_tokens(self, actions: np.ndarray, outputs: Outputs, rows: np.ndarray) -> np.ndarray:
        """Returns the actions (N,) themselves."""
        return actions

    def masks(self) -> np.ndarray:
        """Returns the tokens that `top_k` and `top_p` both keep, (N, V) bool; the end always."""
        return self.engine.top_k_top_p_mask(self._top_k, self._top_p)

    def allowed_candidates(self) -> np.ndarray:
        """Returns which candidates `masks` keeps, (N, K) bool."""
        return np.take_along_axis(self.masks(), self.outputs.candidates, 1)

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Returns the token ids (N,) of the candidates of these ranks (N,)."""
        return np.take_along_axis(self.outputs.candidates, ranks[:, None], 1)[:, 0]

    @property
    def shows_candidates(self) -> bool:
        """False: the actions are tokens, so candidates would not say what an action does."""
        return False

    def features(self) -> list[Feature]:
        """Returns the share of the token budget that is left."""
        return [BudgetLeft()]
