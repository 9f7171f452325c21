"""Named groups of an observation's columns, and observations whose groups are replaced.

Owns the names. Knows nothing of policies.
"""

from collections.abc import Mapping

import numpy as np

from lm_envs.envs.base import EpisodicVectorEnv

NAMES: Mapping[str, str] = {
    "hidden": "hidden state",
    "text_mean": "mean embedding of the text",
    "last_tokens": "last tokens",
    "candidate_logprobs": "candidates' log-probabilities",
    "candidate_repeats": "repeats",
    "candidate_echoes": "echoes of the prompt",
    "candidate_points": "candidates' places",
    "pointer_shares": "pointer",
    "choice_logprobs": "lines' log-probabilities",
    "choice_enabled": "lines that have an effect",
    "budget_left": "budget left",
    "turns_left": "turns left",
    "source_left": "source left",
    "free_reads": "words that can be read without more lag",
    "settings": "settings",
    "first_loss": "loss of the unchanged model",
    "loss_fall": "fall of the loss",
    "gain_alone": "what each part alone gains",
    "is_left": "parts that are left",
    "saved": "share of products saved",
    "training_loss_fall": "fall of the training loss",
    "gradient_norm": "norm of the gradient",
    "last_action": "last action",
}
"""Names of groups by the name of their columns; others are named as their columns."""

MOST_GROUPS = 10
"""Exact Shapley values evaluate the policy on 2**groups combinations."""


def observation_groups(env: EpisodicVectorEnv) -> dict[str, slice]:
    """Returns the columns of each named group; empty if the observation is no named vector."""
    space = env.single_observation_space
    columns = getattr(space, "columns", None)
    if columns is None or len(columns) > MOST_GROUPS:
        return {}
    return {NAMES.get(name, name): part for name, part in columns.items()}


def replaced(
    observations: np.ndarray, others: np.ndarray, groups: Mapping[str, slice], names: set[str]
) -> np.ndarray:
    """Returns observations (S, D) whose groups `names` are those of `others` (S, D)."""
    result = observations.copy()
    for name in names:
        result[:, groups[name]] = others[:, groups[name]]
    return result
