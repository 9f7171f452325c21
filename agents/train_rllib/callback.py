"""The loop of a run over runners, with the schedule of `agents.train`: evaluate, save, stop.

Owns the order of an iteration and the weights that go between RLlib and the agent. Knows nothing of
run folders beside what `RunCallback` writes.
"""

from collections import deque
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from agents.runs.callbacks import TrainingCallback
from agents.runs.logs import STEP
from agents.train_rllib.cluster import connected


class RunnersCallback(TrainingCallback):
    """Evaluates and saves between two updates of RLlib, as between two of Stable-Baselines3.

    Args:
        arguments: As of `TrainingCallback`.
        runners: Number of processes that step environments.
        address: Of a running cluster; None starts one on this machine.
        options: As of `TrainingCallback`.
    """

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - of `TrainingCallback`
        runners: int,
        address: str | None = None,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*arguments, **options)
        self._runners, self._address = runners, address

    def learn(self, model: BaseAlgorithm, *, is_continued: bool) -> None:
        """Trains until the step budget is used, the target is reached or a signal arrives.

        Args:
            model: Gets the weights and the number of steps after each update.
            is_continued: Not used: RLlib counts from the steps of the model.
        """
        with connected(self._runners, self._address):
            self._learn(model)

    def _learn(self, model: BaseAlgorithm) -> None:
        # Ray is an extra, which the checks before need not import.
        from agents.train_rllib.runners import Runners

        self._start_at(model)
        algorithm = Runners(self._config, self._runners, model.num_timesteps)
        try:
            algorithm.set_parameters(_parameters(model))
            while model.num_timesteps < self._config.total_timesteps:
                self.on_rollout_start()
                if self._should_stop:
                    break
                iteration = algorithm.train()
                _set_parameters(model, algorithm.parameters())
                model.num_timesteps += iteration.steps
                self.num_timesteps = model.num_timesteps
                self._show(iteration.episode_return)
        finally:
            algorithm.close()
        self.on_training_end()

    def _start_at(self, model: BaseAlgorithm) -> None:
        env = model.get_env()
        assert env is not None
        env.reset()  # a checkpoint holds the state of the agent's own rows, which begin here
        self.init_callback(model)
        self.num_timesteps = model.num_timesteps
        self.on_training_start({}, {})

    def _show(self, episode_return: float | None) -> None:
        if episode_return is not None:
            # RLlib's number is a mean over its last 100 episodes already.
            self.model.ep_info_buffer = deque([{"r": episode_return}], maxlen=100)
            self.logger.record("rollout/ep_rew_mean", episode_return)
        self.logger.record(STEP, self.num_timesteps)
        self.logger.dump(self.num_timesteps)
        self._progress.update(self._bar, completed=self.num_timesteps)


def _parameters(model: BaseAlgorithm) -> dict[str, Any]:
    """Returns the tensors of the policy, and the state of its optimizer by parameter number."""
    found = model.get_parameters()
    return {"policy": found["policy"], "moments": found["policy.optimizer"]["state"]}


def _set_parameters(model: BaseAlgorithm, parameters: dict[str, Any]) -> None:
    """Gives an agent the tensors of a policy and the state of its optimizer."""
    found = model.get_parameters()
    optimizer = {**found["policy.optimizer"], "state": parameters["moments"]}
    state: dict[str, Any] = {"policy": parameters["policy"], "policy.optimizer": optimizer}
    model.set_parameters(state)
