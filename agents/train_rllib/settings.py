"""A training configuration in the words of RLlib's PPO.

Owns which arguments of Stable-Baselines3's PPO have the same meaning there. Imports no Ray, so that
a configuration is refused before anything starts, also where Ray is missing.
"""

from collections.abc import Mapping
from typing import Any

from agents.config.loading import UserError
from agents.config.parameters import LINEAR
from agents.config.train import TrainConfig

NAMES = {
    "gamma": "gamma",
    "gae_lambda": "lambda_",
    "n_epochs": "num_epochs",
    "batch_size": "minibatch_size",
    "clip_range": "clip_param",
    "ent_coef": "entropy_coeff",
    "vf_coef": "vf_loss_coeff",
    "max_grad_norm": "grad_clip",
}
"""RLlib's names of PPO's arguments that both libraries have with the same meaning."""

DEFAULTS = {
    "n_steps": 2048,
    "learning_rate": 3e-4,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "n_epochs": 10,
    "batch_size": 64,
    "clip_range": 0.2,
    "ent_coef": 0.0,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
}
"""Stable-Baselines3's values: a file means the same to both commands."""

TAKEN = (*DEFAULTS, "policy_kwargs")

LARGEST_COUNT = 10_000
"""Of runners; more are a typing error."""


def check_settings(config: TrainConfig, runners: int) -> None:
    """Checks that RLlib's PPO can train a configuration.

    Args:
        config: Of the run.
        runners: Number of processes that step environments.

    Raises:
        UserError: If it is not PPO, has an argument without a counterpart in RLlib, or minibatches
            larger than the steps between two updates.
    """
    if not 1 <= runners <= LARGEST_COUNT:
        raise UserError(f"Got --runners {runners}; allowed: 1 to {LARGEST_COUNT}.")
    if config.algorithm.name != "PPO":
        raise UserError(
            f"Got algorithm.name={config.algorithm.name!r}; allowed here: 'PPO', which "
            "RLlib and Stable-Baselines3 both have. Train others by agents.train."
        )
    if config.value_warm_up:
        raise UserError(
            f"Got value_warm_up={config.value_warm_up}; allowed here: 0, since RLlib's PPO trains "
            "actor and critic together. Leave it out, or train by agents.train."
        )
    if config.compared_rows > 1:
        raise UserError(
            f"Got group_size={config.group_size}; allowed here: 1, since RLlib's PPO compares no "
            "rows. Leave it out, or train by agents.train."
        )
    kwargs = config.algorithm.kwargs
    if unknown := sorted(set(kwargs) - set(TAKEN)):
        raise UserError(
            f"Got algorithm.kwargs.{unknown[0]}, which RLlib's PPO has not with the same meaning; "
            f"allowed here: {', '.join(TAKEN)}. Remove it, or train by agents.train."
        )
    batch, steps = _value(kwargs, "batch_size"), steps_per_update(config, runners)
    if batch > steps:
        raise UserError(
            f"Got algorithm.kwargs.batch_size={batch}; allowed: up to the {steps} steps of an "
            f"update, n_steps x env.n_envs x {runners} runners."
        )


def steps_per_update(config: TrainConfig, runners: int) -> int:
    """Returns the environment steps between two updates: of all rows of all runners."""
    return _value(config.algorithm.kwargs, "n_steps") * config.env.n_envs * runners


def training_arguments(config: TrainConfig, runners: int, done: int = 0) -> dict[str, Any]:
    """Returns the arguments of RLlib's `PPOConfig.training`.

    Args:
        config: Accepted by `check_settings`.
        runners: Number of processes that step environments.
        done: Environment steps before the run was interrupted. RLlib counts from 0 again, so the
            rest of a falling learning rate begins there.
    """
    kwargs = config.algorithm.kwargs
    arguments = {theirs: _value(kwargs, ours) for ours, theirs in NAMES.items()}
    return {
        **arguments,
        "lr": _learning_rate(_value(kwargs, "learning_rate"), config.total_timesteps, done),
        "train_batch_size_per_learner": steps_per_update(config, runners),
        "grad_clip_by": "global_norm",
        # Stable-Baselines3's PPO has neither a penalty for the divergence nor a clipped value loss.
        "use_kl_loss": False,
        "vf_clip_param": float("inf"),
    }


def _learning_rate(value: float | str, total: int, done: int) -> float | list[list[float]]:
    """Returns a rate, or points (step, rate) between which RLlib interpolates."""
    if not isinstance(value, str):
        return value
    first, left = float(value.removeprefix(LINEAR)), max(total - done, 1)
    return [[0, first * left / total], [left, 0.0]]


def _value(kwargs: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - of any argument
    return kwargs.get(name, DEFAULTS[name])
