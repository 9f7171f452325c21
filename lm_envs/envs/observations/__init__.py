"""Observations: the features shown to an agent, and their reduction."""

from lm_envs.envs.observations.base import Observation, TokensObservation, VectorObservation
from lm_envs.envs.observations.features import Feature
from lm_envs.envs.observations.reducers import Reducer, load_reducer
from lm_envs.envs.observations.wrappers import ReducedObservation, VectorReducedObservation

__all__ = [
    "Feature",
    "Observation",
    "ReducedObservation",
    "Reducer",
    "TokensObservation",
    "VectorObservation",
    "VectorReducedObservation",
    "load_reducer",
]
