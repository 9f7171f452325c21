"""Callback of finetuning runs: value warm-up, KL penalty, memory check and model exports.

Owns the order of these steps around a rollout; evaluation and checkpoints are `RunCallback`'s.
"""

from collections.abc import Callable
from pathlib import Path

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from agents.config.finetune import FinetuneConfig
from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.kl_penalty import KLPenalty
from agents.language_model.memory_estimate import check_batch
from agents.language_model.policy import LanguageModelPolicy
from agents.runs.callbacks import RunCallback
from agents.runs.session import RunSession
from agents.runs.tracking import Tracker, log_metrics
from lm_envs.envs.vector_env import LanguageVectorEnv


class FinetuneCallback(RunCallback):
    """Also exports the model, and adapts the KL penalty after each rollout; see `RunCallback`.

    Args:
        config: Of the run.
        folder: Of the run.
        env: Held-out rows, in autoreset mode DISABLED.
        export: Writes the model; raises FloatingPointError if a weight is not finite.
        seconds: Training time before the run was interrupted; 0 in a new run.
        session: Of the run; None if no signal can stop it and its folder is not locked.
        tracker: Gets each row of metrics.jsonl too.
    """

    evaluates_at_start = False  # the stage before has just been measured on the same prompts
    unchecked = ("network", "masker")  # a NaN in hidden states reaches the value head's output

    def __init__(
        self,
        config: FinetuneConfig,
        folder: Path,
        env: LanguageVectorEnv,
        export: Callable[[], None],
        *,
        seconds: float = 0.0,
        session: RunSession | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        super().__init__(config, folder, env, seconds=seconds, session=session, tracker=tracker)
        self._config: FinetuneConfig = config
        self._value_warm_up = config.value_warm_up
        self._export = export
        self._is_first_rollout = True

    def save(self) -> None:
        """Writes the model, then the checkpoint."""
        self._export()
        super().save()

    def _on_training_start(self) -> None:
        super()._on_training_start()
        stages = (self._config.warm_start, self._config.distillation)
        if not self.num_timesteps and any(stages):
            self._next_save = 0  # a kill in the first interval must not lose the supervised stages

    def _on_rollout_start(self) -> None:
        policy = self.model.policy
        assert isinstance(policy, LanguageModelPolicy)
        policy.network.set_trainable(is_on=self.num_timesteps >= self._value_warm_up)
        super()._on_rollout_start()

    def _on_rollout_end(self) -> None:
        if self._is_first_rollout:
            self._check_memory()
            self._is_first_rollout = False
        penalty = self.training_env
        assert isinstance(penalty, KLPenalty)
        self.logger.record("train/kl_per_word", penalty.divergence)
        self.logger.record("train/kl_coefficient", penalty.coefficient)
        row = {"step": self.num_timesteps, "kl_per_word": penalty.divergence}
        row |= {"kl_coefficient": penalty.coefficient, "seconds": round(self.seconds, 1)}
        row["training_reward"] = self.training_reward()
        log_metrics(self._folder, row, self._tracker)
        penalty.adapt()

    def _on_training_end(self) -> None:
        # A run that stops at its reward was saved before its last, unused step.
        if not self._should_stop:
            self.save()

    def _check_memory(self) -> None:
        """Raises MemoryError if an update would not fit, before any weight is changed."""
        model = self.model
        assert isinstance(model, OnPolicyAlgorithm)
        assert isinstance(model.policy, LanguageModelPolicy)
        assert isinstance(model.rollout_buffer, EpisodeRolloutBuffer)
        length, steps_per_text = model.rollout_buffer.text_sizes()
        check_batch(
            model.policy.network,
            batch_size=getattr(model, "batch_size", model.n_steps * model.n_envs),  # A2C takes all
            steps_per_text=steps_per_text,
            length=length,
        )
