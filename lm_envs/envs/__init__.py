"""Environments: where model and tasks meet."""

from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.single_env import LanguageEnv, RowEnv
from lm_envs.envs.vector_env import LanguageVectorEnv

__all__ = ["EpisodicVectorEnv", "LanguageEnv", "LanguageVectorEnv", "RowEnv"]
