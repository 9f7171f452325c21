"""A rule for KV caches of fixed size: evict the entry with the lowest weighted sum.

Owns what is weighted and which weights are tried. Knows no model and no reward.
"""

from collections.abc import Sequence

import numpy as np

from agents.baselines.evolution import drawn_around
from agents.evaluation.baselines import Policy
from lm_envs.envs.observations.base import ColumnBox
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.cache_entries import HEADS, NAMES
from lm_envs.envs.tuning.eviction import EvictionTuner

NAME = "weighted entries"

FOUND = (-0.233, -0.049, 0.155, 0.0, 0.108, 0.13, 1.0, 0.13)
"""Weights of the columns of an entry in the order of `NAMES`: the best of 40 trials of an evolution
strategy with SmolLM2-135M and 24 entries, on 128 examples of the split "train"."""

NUM_DRAWN = 15
"""Trials that are drawn around `FOUND`."""


def trials() -> list[list[float]]:
    """Returns the weights that are tried: `FOUND`, and some that are drawn around it."""
    return [list(FOUND), *drawn_around(FOUND, NUM_DRAWN)]


def weighted_entries(weights: Sequence[float]) -> Policy:
    """Returns the policy that evicts the entry whose weighted columns have the lowest sum.

    Args:
        weights: Eight numbers; see `FOUND`.
    """

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        columns = entry_columns(env, observations)[:, :, : len(NAMES)]
        return np.einsum("k,nck->nc", np.array(weights), columns.astype(np.float64)).argmin(1)

    return act


def entry_columns(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
    """Returns all columns that have a number for each entry, (N, C, F) float32."""
    space = env.single_observation_space
    assert isinstance(space, ColumnBox)
    assert isinstance(observations, np.ndarray)
    size, last = space.columns[NAMES[0]].stop, HEADS if HEADS in space.columns else NAMES[-1]
    own = observations[:, : space.columns[last].stop]
    return own.reshape(len(own), -1, size).transpose(0, 2, 1)


def evicts(env: TuningVectorEnv) -> bool:
    """Returns whether actions evict entries of a KV cache."""
    return isinstance(env.tuner, EvictionTuner)
