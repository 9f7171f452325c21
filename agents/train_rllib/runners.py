"""RLlib's PPO over several runners: built from a configuration, with weights that go in and out.

Owns the calls of RLlib. Knows nothing of run folders or of evaluations.
"""
# pyright: reportMissingImports=false

import copy
import logging
import pickle
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.tune.registry import register_env

from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.train_rllib.policy_module import PREFIX, PolicyModule
from agents.train_rllib.rows import make_rows
from agents.train_rllib.settings import training_arguments

NAME = "lm_envs_rows"
"""Under which the environment of a run is registered with Ray."""

PROBE_S, RESTORE_S, RESTART_S = 20.0, 120.0, 1.0
"""Seconds to wait for a runner's sign of life, for the state of a new one, and before it starts."""


class Iteration(NamedTuple):
    """What an iteration did.

    Attributes:
        steps: Environment steps in it, of all runners.
        episode_return: Mean of the episodes that ended; None if none did.
    """

    steps: int
    episode_return: float | None


class Sample(NamedTuple):
    """What a runner collected.

    Attributes:
        steps: Environment steps.
        size: Bytes of the episodes, as they would be sent to the learner.
    """

    steps: int
    size: int


class Runners:
    """PPO whose rows are stepped by E processes, each with a copy of the language model.

    Args:
        config: Of the run, accepted by `check_settings`; `env.n_envs` rows in each runner.
        runners: E.
        done: Environment steps before the run was interrupted.
    """

    def __init__(self, config: TrainConfig, runners: int, done: int = 0) -> None:
        logging.getLogger("ray").setLevel(logging.ERROR)
        arguments = training_arguments(config, runners, done)
        gamma = arguments["gamma"]
        register_env(NAME, lambda _: make_rows(config, gamma))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.algorithm = _build(_settings(config, runners, arguments))
        self._steps = 0

    def set_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Gives weights and optimizer state to the learner, and the weights to all runners.

        Args:
            parameters: As `parameters` returns them.
        """
        weights = {f"{PREFIX}{name}": t.numpy() for name, t in parameters["policy"].items()}
        moments = parameters["moments"]

        def load(learner: Any, **_: Any) -> None:  # noqa: ANN401 - RLlib's
            learner.module.set_state({DEFAULT_MODULE_ID: weights})
            ((_, optimizer),) = learner.get_optimizers_for_module(DEFAULT_MODULE_ID)
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})

        self.algorithm.learner_group.foreach_learner(load)
        # RLlib sends weights after an update only: the first batch would be that of other weights.
        self.algorithm.env_runner_group.sync_weights(
            from_worker_or_learner_group=self.algorithm.learner_group, inference_only=True
        )

    def parameters(self) -> dict[str, Any]:
        """Returns `policy`, tensors by name, and `moments`, Adam's state by parameter number."""

        def read(learner: Any, **_: Any) -> tuple[dict[str, Any], dict[int, Any]]:  # noqa: ANN401
            ((_, optimizer),) = learner.get_optimizers_for_module(DEFAULT_MODULE_ID)
            weights = learner.module[DEFAULT_MODULE_ID].state_dict()
            # Copies: a learner in this process would change them by its next update.
            return copy.deepcopy((dict(weights), optimizer.state_dict()["state"]))

        result, *_ = self.algorithm.learner_group.foreach_learner(read)
        weights, moments = result.get()
        policy = {name.removeprefix(PREFIX): value for name, value in weights.items()}
        return {"policy": policy, "moments": moments}

    def train(self) -> Iteration:
        """Collects a batch and updates the weights.

        A runner that died is replaced; the iteration goes on with the others.
        """
        results = self.algorithm.train()["env_runners"]
        before, self._steps = self._steps, int(results["num_env_steps_sampled_lifetime"])
        mean = float(results.get("episode_return_mean", np.nan))
        return Iteration(self._steps - before, None if np.isnan(mean) else mean)

    def sample(self, steps: int) -> list[Sample]:
        """Lets all runners collect `steps` steps of each row at the same time, for measurements.

        Nothing is learned, and the episodes are not sent.
        """

        def collect(runner: Any) -> Sample:  # noqa: ANN401 - RLlib's
            episodes = runner.sample(num_timesteps=steps * runner.num_envs)
            return Sample(sum(map(len, episodes)), len(pickle.dumps(episodes, protocol=5)))

        group = self.algorithm.env_runner_group
        return group.foreach_env_runner(collect, local_env_runner=False)

    def time_update(self) -> tuple[float, int]:
        """Trains for an iteration; returns the seconds of the update alone, and the steps in it."""
        results = self.algorithm.train()
        seconds = float(results["timers"]["learner_update_timer"])
        return seconds, int(results["env_runners"]["num_env_steps_sampled"])

    def close(self) -> None:
        """Ends all processes of the run."""
        self.algorithm.stop()


def _build(settings: PPOConfig) -> Algorithm:
    try:
        return settings.build_algo()
    except IndexError:  # RLlib's, if it has no runner to ask for the spaces
        raise UserError(
            "Got no runner that started; the machines of the cluster need the packages of "
            "lm_envs[agents,ray], and the files that the configuration names. Ray's logs there, "
            "/tmp/ray/session_latest/logs, have the error."
        ) from None


def _settings(config: TrainConfig, runners: int, arguments: Mapping[str, Any]) -> PPOConfig:
    """Returns RLlib's configuration, on its API stack of environment runners and modules."""
    module = RLModuleSpec(PolicyModule, model_config={"config": config.model_dump()})
    return (
        PPOConfig()
        .environment(NAME, disable_env_checking=True)
        .env_runners(
            num_env_runners=runners,
            num_envs_per_env_runner=config.env.n_envs,
            gym_env_vectorize_mode=gym.VectorizeMode.VECTOR_ENTRY_POINT,
            sample_timeout_s=None,  # the language model may take longer than a minute for a batch
        )
        .learners(num_learners=0)  # in this process: the policy's networks are small
        .rl_module(rl_module_spec=module)
        .training(**arguments)
        .debugging(seed=config.seed % 2**31)  # RLlib adds the number of the runner
        .fault_tolerance(
            restart_failed_env_runners=True,
            env_runner_health_probe_timeout_s=PROBE_S,
            env_runner_restore_timeout_s=RESTORE_S,
            delay_between_env_runner_restarts_s=RESTART_S,
        )
    )
