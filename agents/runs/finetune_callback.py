"""What happens beside a finetuning run: value warm-up, penalty, metrics, exports, checkpoints."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from agents.config.finetune import FinetuneConfig
from agents.evaluation.rollouts import agent_policy, mean_scores, run_episodes, spread
from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.kl_penalty import KLPenalty
from agents.language_model.memory_estimate import check_batch
from agents.language_model.policy import LanguageModelPolicy
from agents.runs import checkpoints, logs, nan_guard
from agents.runs.callbacks import CHECKPOINT, multiple_after
from agents.runs.files import append_jsonl
from agents.runs.logs import METRICS
from lm_envs.envs.vector_env import LanguageVectorEnv


class FinetuneCallback(BaseCallback):
    """Evaluates and saves between an update and the next rollout; adapts the penalty before one.

    Args:
        config: Of the run.
        folder: Of the run.
        env: Held-out rows, autoreset mode DISABLED.
        export: Writes the model.
        seconds: That the run took before, if it is resumed.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        folder: Path,
        env: LanguageVectorEnv,
        export: Callable[[], None],
        *,
        seconds: float = 0.0,
    ) -> None:
        super().__init__()
        self._config, self._folder, self._env, self._export = config, folder, env, export
        self._seconds_before = seconds
        self._next_evaluation = self._next_save = 0
        self._should_stop = False
        self._is_first = True

    def _on_training_start(self) -> None:
        self._start = time.monotonic()
        done = self.num_timesteps
        self._next_evaluation = multiple_after(done, self._config.evaluation.every)
        self._next_save = multiple_after(done, self._config.checkpoint_every)
        nan_guard.guard(self.model.policy, lambda: self.num_timesteps)

    def _on_rollout_start(self) -> None:
        policy = self.model.policy
        assert isinstance(policy, LanguageModelPolicy)
        policy.network.let_learn(is_on=self.num_timesteps >= self._config.value_warm_up)
        if self.num_timesteps >= self._next_evaluation:
            self._evaluate()
            every = self._config.evaluation.every
            self._next_evaluation = multiple_after(self.num_timesteps, every)
        if self.num_timesteps >= self._next_save or self._should_stop:
            self._save()
            every = self._config.checkpoint_every
            self._next_save = multiple_after(self.num_timesteps, every)

    def _on_step(self) -> bool:
        nan_guard.check_rewards(self.locals["rewards"], self.locals["infos"], self.num_timesteps)
        return not self._should_stop

    def _on_rollout_end(self) -> None:
        if self._is_first:
            self._check_memory()
            self._is_first = False
        penalty = self.training_env
        assert isinstance(penalty, KLPenalty)
        self.logger.record("train/kl_per_word", penalty.divergence)
        self.logger.record("train/kl_coefficient", penalty.coefficient)
        row = {"step": self.num_timesteps, "kl_per_word": penalty.divergence}
        row |= {"kl_coefficient": penalty.coefficient, "seconds": round(self._seconds, 1)}
        recent = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        row["training_reward"] = float(np.mean(recent)) if recent else None
        append_jsonl(self._folder / METRICS, row)
        penalty.adapt()

    def _on_training_end(self) -> None:
        """A run that stops at its reward was saved before its last, unused step."""
        if not self._should_stop:
            self._save()

    def _check_memory(self) -> None:
        """Refuses an update that would not fit, before the weights are changed."""
        model = self.model
        assert isinstance(model, OnPolicyAlgorithm)
        assert isinstance(model.policy, LanguageModelPolicy)
        assert isinstance(model.rollout_buffer, EpisodeRolloutBuffer)
        length, steps_per_text = model.rollout_buffer.sizes()
        check_batch(
            model.policy.network,
            batch_size=getattr(model, "batch_size", model.n_steps * model.n_envs),  # A2C takes all
            steps_per_text=steps_per_text,
            length=length,
        )

    def _save(self) -> None:
        self._export()
        notes = {"seconds": self._seconds, "pending": logs.pending(self.logger)}
        checkpoints.save(self.model, self._folder / CHECKPOINT, notes)

    @property
    def _seconds(self) -> float:
        """Of reinforcement learning so far, interruptions left out."""
        return self._seconds_before + time.monotonic() - self._start

    def _evaluate(self) -> None:
        indices = spread(self._env.task.num_examples, self._config.evaluation.episodes)
        scores = mean_scores(run_episodes(self._env, agent_policy(self.model), indices))
        row = {"step": self.num_timesteps, "seconds": round(self._seconds, 1)}
        append_jsonl(self._folder / METRICS, {**row, "held_out": scores})
        target = self._config.stop_at_reward
        self._should_stop = target is not None and scores["reward"] >= target
