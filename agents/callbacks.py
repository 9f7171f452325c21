"""What happens beside training: held-out evaluation, metrics, checkpoints, progress.

Checkpoints and evaluations fall between an update and the next rollout, where a run can be
continued exactly.
"""

import time
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.callbacks import BaseCallback

from agents import checkpoints
from agents.files import append_jsonl
from agents.rollouts import agent_policy, mean_scores, run_episodes, spread
from agents.train_config import TrainConfig
from lm_envs.envs.vector_env import LanguageVectorEnv

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"


class Companion(BaseCallback):
    """Evaluates, logs, checkpoints and shows progress."""

    def __init__(self, config: TrainConfig, folder: Path, env: LanguageVectorEnv) -> None:
        super().__init__()
        self._config = config
        self._folder = folder
        self._env = env
        self._indices = spread(env.task.num_examples, config.evaluation.episodes)
        self._next_evaluation = self._next_checkpoint = 0
        self._should_stop = False
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f}%"),
        )
        self._progress = Progress(*columns, TimeRemainingColumn())

    def evaluate(self) -> dict[str, float]:
        """Mean held-out scores of the agent as it is now."""
        return mean_scores(run_episodes(self._env, agent_policy(self.model), self._indices))

    def _on_training_start(self) -> None:
        self._start = time.monotonic()
        done = self.num_timesteps
        self._next_checkpoint = done + self._config.checkpoint_every
        self._next_evaluation = 0 if done == 0 else done + self._config.evaluation.every
        self._bar = self._progress.add_task("training", total=self._config.total_timesteps)
        self._progress.start()

    def _on_rollout_start(self) -> None:
        """The only point where a run is saved or judged."""
        self._check_finite()
        if self.num_timesteps >= self._next_evaluation:
            self._report()
            self._next_evaluation = self.num_timesteps + self._config.evaluation.every
        if self.num_timesteps >= self._next_checkpoint:
            self.save()
            self._next_checkpoint = self.num_timesteps + self._config.checkpoint_every

    def _on_step(self) -> bool:
        self._progress.update(self._bar, completed=self.num_timesteps)
        return not self._should_stop

    def _on_training_end(self) -> None:
        self._check_finite()
        self._report()
        self.save()
        self._progress.stop()

    def save(self) -> None:
        """Writes the checkpoint."""
        checkpoints.save(self.model, self._folder / CHECKPOINT)

    def close(self) -> None:
        """Restores the terminal, also after an error."""
        self._progress.stop()

    def _report(self) -> None:
        scores = self.evaluate()
        recent = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        training = float(np.mean(recent)) if recent else None
        append_jsonl(
            self._folder / METRICS,
            {
                "step": self.num_timesteps,
                "seconds": round(time.monotonic() - self._start, 1),
                "training_reward": training,
                "held_out": scores,
            },
        )
        for name, value in scores.items():
            self.logger.record(f"eval/{name}", value)
        target = self._config.stop_at_reward
        self._should_stop = target is not None and scores["reward"] >= target
        self._progress.update(self._bar, description=f"held-out reward {scores['reward']:+.3f}")

    def _check_finite(self) -> None:
        for name, parameter in self.model.policy.named_parameters():
            if not np.isfinite(parameter.detach().sum().item()):
                raise FloatingPointError(
                    f"Got NaN in the agent's {name} at step {self.num_timesteps}; the last "
                    "checkpoint is intact. Lower learning_rate and use --resume."
                )
