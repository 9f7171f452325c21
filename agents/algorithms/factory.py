"""A run's algorithm and environments, built from its configuration.

Owns how names become Stable-Baselines3 objects. Nothing here trains.
"""

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from agents.algorithms.candidate_policy import CandidatePolicy, CandidateQPolicy
from agents.algorithms.entry_policy import EntryPolicy
from agents.algorithms.group_baseline import group_buffer
from agents.algorithms.part_policy import PartPolicy
from agents.config.env_ids import training_arguments
from agents.config.loading import UserError
from agents.config.parameters import LINEAR
from agents.config.train import ALGORITHMS, TUNING, TrainConfig
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.model.loading import resolve_device
from lm_envs.sb3 import LanguageVecEnv, make_language_vec_env
from lm_envs.validation import first_line

POLICIES = {
    "CandidatePolicy": (CandidatePolicy, ("PPO", "A2C", "TRPO")),
    "CandidateQPolicy": (CandidateQPolicy, ("DQN",)),
    "PartPolicy": (PartPolicy, ("MaskablePPO",)),
    "EntryPolicy": (EntryPolicy, ("PPO", "A2C", "TRPO")),
}
"""Policies of this library by name, and the algorithms that can use them."""

_DROPOUT = "dropout"
_DROPPING = ("words", "agents.observations.customer_beliefs:CustomerBeliefs")
"""Kinds of observations and features whose option `dropout` only training has."""

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU}


def check_actions(config: TrainConfig) -> None:
    """Checks that the algorithm can choose the environment's actions, before anything is built.

    Raises:
        UserError: If it cannot; the message names the key of the configuration to change.
    """
    name, needed = config.algorithm.name, ALGORITHMS[config.algorithm.name].acts_on
    if "both" in (needed, config.env.acts_on) or needed == config.env.acts_on:
        return
    fitting = [
        n for n, other in ALGORITHMS.items() if other.acts_on in ("both", config.env.acts_on)
    ]
    kind = "embedding" if needed == "continuous" else "top_k"
    remedy = "" if config.env.id in TUNING else f"env.kwargs.actions: {kind}, or "
    raise UserError(
        f"Got algorithm.name={name!r}, which needs {needed} actions, for an environment of "
        f"{config.env.acts_on} ones; set {remedy}an algorithm.name of {', '.join(fitting)}."
    )


def environment_seed(config: TrainConfig) -> int:
    """Returns the seed of row 0 of a run's training environment, drawn from its name and seed.

    Row i of an environment is seeded seed + i. With the run's own seed there, 63 of 64 rows of the
    runs with seeds 0 and 1 would begin the same prompts; seeds drawn from 2^64 are far apart.
    """
    entropy = np.random.SeedSequence([config.seed, *config.name.encode()])
    return int(entropy.generate_state(1, np.uint64)[0])


def make_training_env(config: TrainConfig) -> LanguageVecEnv:
    """Returns N rows on the training split, seeded by `environment_seed`."""
    env = config.env
    kwargs = {**_checked(env.kwargs), "split": env.split}
    if config.compared_rows > 1:
        kwargs["group_size"] = config.compared_rows
    return make_language_vec_env(env.id, env.n_envs, environment_seed(config), **kwargs)


def make_evaluation_env(config: TrainConfig, split: str, num_rows: int) -> EpisodicVectorEnv:
    """Returns rows on a held-out split, in the autoreset mode DISABLED."""
    given = _checked(config.env.kwargs)
    left_out = training_arguments(config.env.id)
    kwargs = {name: value for name, value in given.items() if name not in left_out}
    if "observation" in kwargs:
        kwargs["observation"] = _without_dropout(kwargs["observation"])
    kwargs["split"] = split
    env = gym.make_vec(
        config.env.id, num_envs=num_rows, autoreset_mode=gym.vector.AutoresetMode.DISABLED, **kwargs
    )
    assert isinstance(env.unwrapped, EpisodicVectorEnv)
    return env.unwrapped


def _without_dropout(spec: Any) -> Any:  # noqa: ANN401 - of an observation or a feature
    """Returns the spec of an observation or a feature as evaluations use it."""
    if not isinstance(spec, dict):
        return spec
    kept = {k: v for k, v in spec.items() if k != _DROPOUT or spec.get("kind") not in _DROPPING}
    if isinstance(kept.get("features"), (list, tuple)):
        kept["features"] = [_without_dropout(each) for each in kept["features"]]
    return kept


def check_alike(config: TrainConfig, env: LanguageVecEnv, held_out: EpisodicVectorEnv) -> None:
    """Checks that training and held-out environment have the same spaces.

    With very few examples a task offers fewer lines to choose from.

    Raises:
        UserError: If the spaces differ; the message names the training split.
    """
    learned = (env.action_space, _shapes(env.observation_space))
    judged = (held_out.single_action_space, _shapes(held_out.single_observation_space))
    if learned != judged:
        raise UserError(
            f"Got env.split={config.env.split!r} of {env.vector_env.num_examples} examples, with "
            f"actions {learned[0]}; allowed: those of evaluation.split="
            f"{config.evaluation.split!r}, {judged[0]}. Take a larger part, or more examples."
        )


def _shapes(space: gym.Space[Any]) -> Any:  # noqa: ANN401 - a shape, or several by name
    if isinstance(space, gym.spaces.Dict):
        return {name: entry.shape for name, entry in space.spaces.items()}
    return space.shape


def check_writes(config: TrainConfig) -> None:
    """Checks that the environment writes text, before anything is built.

    Raises:
        UserError: If its actions adjust the model.
    """
    if config.env.id in TUNING:
        raise UserError(
            f"Got env.id={config.env.id!r}, which writes no text; allowed here: "
            "environments that do, such as lm_envs/NextWord-v0."
        )


def as_language(env: EpisodicVectorEnv) -> LanguageVectorEnv:
    """Returns the environment of a configuration that `check_writes` accepted."""
    assert isinstance(env, LanguageVectorEnv)
    return env


def make_algorithm(config: TrainConfig, env: LanguageVecEnv, log: str | None) -> BaseAlgorithm:
    """Returns the untrained algorithm, on the CPU unless told otherwise: its networks are small.

    Raises:
        UserError: If the algorithm does not take its arguments.
        ValueError: If its device is not there: Stable-Baselines3 would train on the CPU silently.
    """
    kwargs = copy.deepcopy(config.algorithm.kwargs)  # QRDQN adds entries to its policy_kwargs
    if "device" in kwargs:
        kwargs["device"] = resolve_device(str(kwargs["device"]))
    if "learning_rate" in kwargs:
        kwargs["learning_rate"] = _learning_rate(kwargs["learning_rate"])
    if "policy_kwargs" in kwargs:
        kwargs["policy_kwargs"] = _policy_kwargs(kwargs["policy_kwargs"])
    if isinstance(kwargs.get("train_freq"), list):
        kwargs["train_freq"] = tuple(kwargs["train_freq"])  # YAML has lists only
    algorithm = ALGORITHMS[config.algorithm.name]
    policy = _policy(config)
    settings: dict[str, Any] = {"seed": config.seed, "tensorboard_log": log, "device": "cpu"}
    if config.compared_rows > 1:
        is_masked = config.algorithm.name == "MaskablePPO"
        settings["rollout_buffer_class"] = group_buffer(env.observation_space, is_masked=is_masked)
        settings["rollout_buffer_kwargs"] = {"group_size": config.compared_rows}
    try:
        made = algorithm.kind(policy, env, **(settings | kwargs))
    except torch.OutOfMemoryError:
        raise
    except (TypeError, AttributeError, AssertionError, LookupError, RuntimeError) as error:
        reason = first_line(error)
        raise UserError(
            f"Got algorithm.kwargs that {config.algorithm.name} does not take: {reason}. See its "
            "page in Stable-Baselines3."
        ) from None
    prepare_env(config, made, env)
    return made


def make_policy(
    config: TrainConfig, observations: gym.Space[Any], actions: gym.Space[Any]
) -> ActorCriticPolicy:
    """Returns the untrained actor-critic policy of a configuration, without an environment.

    It has the parameters of the policy of `make_algorithm`, in the same order.

    Raises:
        UserError: If the algorithm has no such policy, or does not take its arguments.
    """
    named = _policy(config)
    aliases = ALGORITHMS[config.algorithm.name].kind.policy_aliases
    kind = aliases.get(named) if isinstance(named, str) else named
    if kind is None or not issubclass(kind, ActorCriticPolicy):
        raise UserError(
            f"Got algorithm.policy={named!r}; allowed here: {', '.join(aliases)}, CandidatePolicy."
        )
    kwargs = _policy_kwargs(copy.deepcopy(config.algorithm.kwargs.get("policy_kwargs", {})))
    try:
        return kind(observations, actions, lambda _: 0.0, **kwargs)
    except (TypeError, AttributeError, AssertionError, LookupError) as error:
        raise UserError(
            f"Got algorithm.kwargs.policy_kwargs that {kind.__name__} does not take: "
            f"{first_line(error)}."
        ) from None


def prepare_env(config: TrainConfig, model: BaseAlgorithm, env: VecEnv) -> None:
    """Seeds a new algorithm's environment, and gives it the discount of the algorithm.

    The algorithm's constructor has seeded the environment with its own seed. `env.kwargs.gamma`
    goes before the discount of the algorithm; without a discount, as in ARS, it is 1.
    """
    env.seed(environment_seed(config))
    if "gamma" not in config.env.kwargs:
        env.set_attr("gamma", getattr(model, "gamma", 1.0))


def _policy(config: TrainConfig) -> Any:  # noqa: ANN401 - a class, or the name of one
    name = config.algorithm.policy or ALGORITHMS[config.algorithm.name].policy
    if name not in POLICIES:
        return name
    policy, algorithms = POLICIES[name]
    if config.algorithm.name not in algorithms:
        raise UserError(
            f"Got algorithm.policy={name!r} for {config.algorithm.name}; allowed: for "
            f"{', '.join(algorithms)}. Leave it out for the algorithm's own."
        )
    return policy


def _checked(kwargs: dict[str, Any]) -> dict[str, Any]:
    for name in ("split", "autoreset_mode", "num_envs"):
        if name in kwargs:
            raise UserError(
                f"Got env.kwargs.{name}, which a run sets itself; use env.split, "
                "evaluation.split or env.n_envs."
            )
    return kwargs


def _learning_rate(value: float | str) -> float | LinearSchedule:
    if isinstance(value, str):
        try:
            return LinearSchedule(float(value.removeprefix(LINEAR)), 0.0, 1.0)
        except ValueError:
            raise UserError(
                f"Got learning_rate={value!r}; allowed: a number, or lin_3.0e-4."
            ) from None
    return value


def _policy_kwargs(kwargs: dict[str, Any]) -> dict[str, Any]:
    name = kwargs.get("activation_fn")
    if name is None:
        return kwargs
    if not (isinstance(name, str) and name in ACTIVATIONS):
        raise UserError(f"Got activation_fn={name!r}; allowed: {', '.join(ACTIVATIONS)}.")
    return {**kwargs, "activation_fn": ACTIVATIONS[name]}
