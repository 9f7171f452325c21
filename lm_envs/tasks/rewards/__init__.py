"""Scores of a completion, and the weighted sum that is the reward."""

from lm_envs.tasks.rewards.completions import Completions
from lm_envs.tasks.rewards.model_scores import MODEL_SCORES
from lm_envs.tasks.rewards.reward import Reward
from lm_envs.tasks.rewards.text_scores import TEXT_SCORES
from lm_envs.tasks.rewards.token_scores import TOKEN_SCORES

__all__ = ["MODEL_SCORES", "TEXT_SCORES", "TOKEN_SCORES", "Completions", "Reward"]
