"""Callbacks of training runs: held-out evaluation, metrics, checkpoints and the progress bar.

Evaluations and checkpoints happen between an update and the next rollout, the only point from which
a run can be resumed exactly: at the first such point at or after each multiple of their interval.
"""

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from torch.utils.hooks import RemovableHandle

from agents.algorithms.value_warm_up import actor_parameters, set_learning
from agents.config.train import TrainConfig
from agents.evaluation.rollouts import (
    agent_policy,
    evenly_spaced_indices,
    mean_scores,
    run_episodes,
)
from agents.runs import checkpoints, logs, manifest, nan_guard
from agents.runs.checkpoints import BEST, CHECKPOINT
from agents.runs.exploration_noise import restore_exploration_noise
from agents.runs.session import RunSession
from agents.runs.tracking import TensorBoard, Tracker, log_metrics
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.transcript import Transcript


class RunCallback(BaseCallback):
    """Evaluates and saves on a schedule, and stops at the target reward.

    Subclasses extend the hooks of Stable-Baselines3, `metrics_row` and `save`.

    Args:
        config: Of the run.
        folder: Of the run.
        env: Held-out rows, in autoreset mode DISABLED.
        seconds: Training time before the run was interrupted; 0 in a new run.
        session: Of the run; None if no signal can stop it and its folder is not locked.
        tracker: Gets each row of metrics.jsonl too.
        noise: Of the first rollout, if the run is resumed; see `exploration_noise`.

    Attributes:
        evaluated_step: Of the last evaluation; None before the first.
        rollouts: Held-out episodes of the last evaluation.
    """

    evaluates_at_start = True
    """Whether a new run is evaluated before its first rollout."""

    unchecked: tuple[str, ...] = ()
    """Submodules of the policy whose outputs are not checked; see `nan_guard.guard`."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        env: EpisodicVectorEnv,
        *,
        seconds: float = 0.0,
        session: RunSession | None = None,
        tracker: Tracker | None = None,
        noise: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._noise = noise or {}
        self._tracker = tracker or TensorBoard()
        self._session = session
        self._config = config
        self._folder = folder
        self._env = env
        self._indices = evenly_spaced_indices(env.num_examples, config.evaluation.episodes)
        self._seconds_before = seconds
        self.evaluated_step: int | None = None
        self.rollouts: list[Transcript] = []
        self._next_evaluation = self._next_save = 0
        self._best_step: int | None = None  # of the last BEST of this process
        self._should_stop = False
        self._handles: list[RemovableHandle] = []

    def close(self) -> None:
        """Ends the checks of the weights, which hold the agent; to be called after an error too."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    @property
    def seconds(self) -> float:
        """Training time so far in seconds, without interruptions."""
        return self._seconds_before + time.monotonic() - self._start

    def evaluate(self) -> dict[str, float]:
        """Computes the agent's mean held-out scores."""
        self.rollouts = run_episodes(self._env, agent_policy(self.model), self._indices)
        self.evaluated_step = self.num_timesteps
        return mean_scores(self.rollouts)

    def save(self) -> None:
        """Writes the checkpoint, with the replay buffer of an off-policy algorithm."""
        has_replay = getattr(self.model, "replay_buffer", None) is not None
        if self._best_step == self.num_timesteps and not has_replay:
            checkpoints.promote_best(self._folder)  # it has been written just now: the same state
        else:
            self._write(CHECKPOINT, {}, self._config.max_replay_mb * 2**20)

    def _write(self, name: str, facts: dict[str, float], max_replay_bytes: int = 0) -> None:
        if self._session is not None:
            self._session.check_folder()  # a write would make a deleted folder again
        notes = {"seconds": self.seconds, "pending": logs.pending(self.logger)}
        checkpoints.save(self.model, self._folder / name, notes, facts, max_replay_bytes)

    def metrics_row(self, scores: dict[str, float]) -> dict[str, Any]:
        """Returns the row of metrics.jsonl for an evaluation with these held-out scores."""
        row = {"step": self.num_timesteps, "seconds": round(self.seconds, 1)}
        return {**row, "held_out": scores}

    def training_reward(self) -> float | None:
        """Computes the mean reward of recent training episodes; None before the first ends."""
        recent = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        return float(np.mean(recent)) if recent else None

    def _on_training_start(self) -> None:
        self._start = time.monotonic()
        done, every = self.num_timesteps, self._config.evaluation.every
        self._next_save = multiple_after(done, self._config.checkpoint_every)
        # A run that was stopped at step 0 has logged that evaluation already.
        is_due = self.evaluates_at_start and not done and not logs.read_metrics(self._folder)
        self._next_evaluation = 0 if is_due else multiple_after(done, every)
        self._handles = nan_guard.guard(
            self.model.policy, lambda: self.num_timesteps, unchecked=self.unchecked
        )

    def _on_rollout_start(self) -> None:
        done, session = self.num_timesteps, self._session
        restore_exploration_noise(self.model, self._noise)
        self._noise = {}
        if session is not None:
            session.check_folder()
        if done >= self._next_evaluation:
            self._keep_best(self._evaluate_and_log())
            self._next_evaluation = multiple_after(done, self._config.evaluation.every)
        is_stopping = self._should_stop or (session is not None and session.is_stopping)
        if done >= self._next_save or is_stopping:
            self.save()
            self._next_save = multiple_after(done, self._config.checkpoint_every)
        if session is not None:
            session.stop_if_asked(done)

    def _on_step(self) -> bool:
        nan_guard.check_rewards(self.locals["rewards"], self.locals["infos"], self.num_timesteps)
        return not self._should_stop

    def _keep_best(self, scores: dict[str, float]) -> None:
        """Writes the best checkpoint if the held-out reward is the highest so far."""
        path, reward = self._folder / BEST, scores["reward"]
        if self._config.keep_best and reward > manifest.facts(path).get("reward", -np.inf):
            self._write(BEST, {"reward": reward})
            self._best_step = self.num_timesteps

    def _evaluate_and_log(self) -> dict[str, float]:
        scores = self.evaluate()
        log_metrics(self._folder, self.metrics_row(scores), self._tracker)
        target = self._config.stop_at_reward
        self._should_stop = target is not None and scores["reward"] >= target
        return scores


class TrainingCallback(RunCallback):
    """Also checks the weights, logs scores to TensorBoard and shows progress; see `RunCallback`."""

    @cached_property
    def _actor(self) -> list[torch.nn.Parameter]:
        return actor_parameters(self.model)

    @cached_property
    def _progress(self) -> Progress:
        percentage = TextColumn("{task.percentage:.0f}%")
        columns = (TextColumn("{task.description}"), BarColumn(), percentage)
        # With --json stdout is one document.
        return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))

    def learn(self, model: BaseAlgorithm, *, is_continued: bool) -> None:
        """Trains a new model, or that of a checkpoint, until the step budget is used."""
        remaining = self._config.total_timesteps - model.num_timesteps
        model.learn(remaining, callback=self, reset_num_timesteps=not is_continued)

    def save(self) -> None:
        """Writes the checkpoint, after a check that the weights are finite."""
        nan_guard.check_parameters(self.model.policy, self.num_timesteps)
        super().save()

    def metrics_row(self, scores: dict[str, float]) -> dict[str, Any]:
        """Returns the row with the mean reward of recent training episodes."""
        row = {"step": self.num_timesteps, "seconds": round(self.seconds, 1)}
        return {**row, "training_reward": self.training_reward(), "held_out": scores}

    def close(self) -> None:
        """Restores the terminal too."""
        super().close()
        self._progress.stop()

    def _on_training_start(self) -> None:
        super()._on_training_start()
        self._bar = self._progress.add_task("training", total=self._config.total_timesteps)
        self._progress.start()

    def _on_rollout_start(self) -> None:
        if warm_up := self._config.value_warm_up:
            set_learning(self._actor, is_on=self.num_timesteps >= warm_up)
        super()._on_rollout_start()

    def _on_step(self) -> bool:
        is_going_on = super()._on_step()
        self._progress.update(self._bar, completed=self.num_timesteps)
        return is_going_on

    def _on_training_end(self) -> None:
        # A run that stops at its reward was evaluated and saved before its last, unused step.
        if not self._should_stop:
            self._keep_best(self._evaluate_and_log())
            self.save()
        self._progress.stop()

    def _evaluate_and_log(self) -> dict[str, float]:
        scores = super()._evaluate_and_log()
        for name, value in scores.items():
            self.logger.record(f"eval/{name}", value)
        self._progress.update(self._bar, description=f"held-out reward {scores['reward']:+.3f}")
        return scores


def multiple_after(step: int, every: int) -> int:
    """Returns the smallest multiple of `every` that is greater than `step`."""
    return (step // every + 1) * every
