"""Environment ids of a configuration: their form, and whether they make one of our environments.

Knows nothing of configuration files or of their imports.
"""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator, parse_env_id

import lm_envs
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.single_env import RowEnv
from lm_envs.validation import did_you_mean

gym.register_envs(lm_envs)


def check_form(env_id: str) -> None:
    """Checks that an id has the form [namespace/]Name[-v0].

    Raises:
        ValueError: If it has not. Gymnasium also takes "module:Name-v0" and imports that module;
            this is refused, since every import has to stand under `imports`.
    """
    try:
        parse_env_id(env_id)
        is_well_formed = ":" not in env_id
    except gym.error.Error:
        is_well_formed = False
    if not is_well_formed:
        raise ValueError(
            "allowed: namespace/Name-v0; name a module that registers ids under `imports`"
        )


def check_env_id(env_id: str) -> None:
    """Checks that an id is registered and makes one of our environments.

    Raises:
        ValueError: If it is not; the message lists the ids that are.
    """
    spec = gym.registry.get(env_id)
    if spec is None or not _is_ours(spec):
        ours = [name for name, known in gym.registry.items() if _is_ours(known)]
        raise ValueError(
            f"allowed: {', '.join(ours)}, or an id that a module of `imports` registers."
            f"{did_you_mean(env_id, ours)}"
        )


def has_oracle(env_id: str) -> bool:
    """Returns whether the vector environment of a registered id has `oracle_actions`."""
    return hasattr(_class(gym.registry[env_id].vector_entry_point), "oracle_actions")


def training_arguments(env_id: str) -> frozenset[str]:
    """Returns the arguments of a registered id that evaluations leave out."""
    made = _class(gym.registry[env_id].vector_entry_point)
    kind = made if issubclass(made, EpisodicVectorEnv) else EpisodicVectorEnv
    return kind.training_arguments


def _is_ours(spec: EnvSpec) -> bool:
    """Returns whether an id makes one of our environments, batched or single."""
    vector, single = _class(spec.vector_entry_point), _class(spec.entry_point)
    return issubclass(vector, EpisodicVectorEnv) or issubclass(single, RowEnv)


def _class(entry_point: str | Callable[..., Any] | None) -> type:
    """Returns the class of an entry point; `object` where there is none or it has no class."""
    if entry_point is None or (isinstance(entry_point, str) and entry_point.startswith("gym")):
        return object  # Gymnasium's own; importing them would need their optional dependencies
    try:
        made = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    except (ImportError, AttributeError):
        return object
    return made if isinstance(made, type) else object
