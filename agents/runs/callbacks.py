"""What happens beside training: held-out evaluation, metrics, checkpoints, progress.

Checkpoints and evaluations fall between an update and the next rollout, where a run can be
continued exactly: at the first such moment after each multiple of their interval.
"""

import time
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.callbacks import BaseCallback

from agents.config.train import TrainConfig
from agents.evaluation.rollouts import agent_policy, mean_scores, run_episodes, spread
from agents.runs import checkpoints, logs, nan_guard
from agents.runs.files import append_jsonl
from agents.runs.logs import METRICS
from lm_envs.envs.base import EpisodicVectorEnv

CHECKPOINT = "checkpoint.pt"


class TrainingCallback(BaseCallback):
    """Evaluates, logs, checkpoints and shows progress.

    Args:
        config: Of the run.
        folder: Of the run.
        env: Held-out rows, autoreset mode DISABLED.
        seconds: That the run took before, if it is resumed.
    """

    def __init__(
        self, config: TrainConfig, folder: Path, env: EpisodicVectorEnv, *, seconds: float = 0.0
    ) -> None:
        super().__init__()
        self._config = config
        self._folder = folder
        self._env = env
        self._indices = spread(env.num_examples, config.evaluation.episodes)
        self._seconds_before = seconds
        self._next_evaluation = self._next_checkpoint = 0
        self._should_stop = False
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f}%"),
        )
        self._progress = Progress(*columns, TimeRemainingColumn())

    @property
    def seconds(self) -> float:
        """Of training so far, interruptions left out."""
        return self._seconds_before + time.monotonic() - self._start

    def evaluate(self) -> dict[str, float]:
        """Mean held-out scores of the agent as it is now."""
        return mean_scores(run_episodes(self._env, agent_policy(self.model), self._indices))

    def save(self) -> None:
        """Writes the checkpoint, unless the weights are broken."""
        nan_guard.check_parameters(self.model.policy, self.num_timesteps)
        notes = {"seconds": self.seconds, "pending": logs.pending(self.logger)}
        checkpoints.save(self.model, self._folder / CHECKPOINT, notes)

    def close(self) -> None:
        """Restores the terminal, also after an error."""
        self._progress.stop()

    def _on_training_start(self) -> None:
        self._start = time.monotonic()
        done = self.num_timesteps
        self._next_checkpoint = multiple_after(done, self._config.checkpoint_every)
        self._next_evaluation = multiple_after(done, self._config.evaluation.every) if done else 0
        nan_guard.guard(self.model.policy, lambda: self.num_timesteps)
        self._bar = self._progress.add_task("training", total=self._config.total_timesteps)
        self._progress.start()

    def _on_rollout_start(self) -> None:
        """The only point where a run is saved or judged."""
        if self.num_timesteps >= self._next_evaluation:
            self._report()
            every = self._config.evaluation.every
            self._next_evaluation = multiple_after(self.num_timesteps, every)
        if self.num_timesteps >= self._next_checkpoint or self._should_stop:
            self.save()
            every = self._config.checkpoint_every
            self._next_checkpoint = multiple_after(self.num_timesteps, every)

    def _on_step(self) -> bool:
        nan_guard.check_rewards(self.locals["rewards"], self.locals["infos"], self.num_timesteps)
        self._progress.update(self._bar, completed=self.num_timesteps)
        return not self._should_stop

    def _on_training_end(self) -> None:
        """A run that stops at its reward was judged and saved before its last, unused step."""
        if not self._should_stop:
            self._report()
            self.save()
        self._progress.stop()

    def _report(self) -> None:
        scores = self.evaluate()
        recent = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        training = float(np.mean(recent)) if recent else None
        row = {"step": self.num_timesteps, "seconds": round(self.seconds, 1)}
        append_jsonl(
            self._folder / METRICS, {**row, "training_reward": training, "held_out": scores}
        )
        for name, value in scores.items():
            self.logger.record(f"eval/{name}", value)
        target = self._config.stop_at_reward
        self._should_stop = target is not None and scores["reward"] >= target
        self._progress.update(self._bar, description=f"held-out reward {scores['reward']:+.3f}")


def multiple_after(step: int, every: int) -> int:
    """The first multiple of an interval that lies after a step."""
    return (step // every + 1) * every
