"""One finetuning run of a language model: its stages in order, their measures and exports.

Owns the agent, its environments and the run folder. Configuration files and command line live in
`agents.config` and `agents.finetune`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from agents.algorithms.factory import (
    as_language,
    make_evaluation_env,
    make_training_env,
    prepare_env,
)
from agents.config.finetune import DistillationConfig, FinetuneConfig, WarmStartConfig
from agents.config.train import ALGORITHMS
from agents.evaluation.rollouts import evenly_spaced_indices
from agents.evaluation.stages import STAGES, Stage, read_stages, stage_table
from agents.language_model.buffer import GROUPED, EpisodeRolloutBuffer
from agents.language_model.distillation import distill
from agents.language_model.export import save_pretrained
from agents.language_model.kl_penalty import KLPenalty
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.stage_measures import measure_stage
from agents.language_model.warm_start import warm_start
from agents.runs import checkpoints, logs
from agents.runs.checkpoints import CHECKPOINT
from agents.runs.files import write_jsonl
from agents.runs.finetune_callback import FinetuneCallback
from agents.runs.logs import METRICS
from agents.runs.session import RunSession
from agents.runs.tracking import TensorBoard, Tracker, log_metrics
from lm_envs.model.loading import EMBEDDED, INT8, resolve_device, resolve_dtype

EVALUATION_ROWS = 32
MODEL = "model"
"""Folder of the exported model, in the run folder."""
REINFORCED = "reinforced"
"""Name of the last stage."""
WARM_START_LOG = 10
"""Supervised steps between rows of the log."""


class FinetuneRun:
    """The agent of a run, its environments, and the results of each finished stage.

    Args:
        config: Of the run.
        folder: Of the run.
        session: Of the run; None if no signal can stop it and its folder is not locked.
        tracker: Gets each row of metrics.jsonl too.

    Attributes:
        stages: Results of the finished stages, in their order.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        folder: Path,
        session: RunSession | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        self._tracker = tracker or TensorBoard()
        self.config, self.folder, self._session = config, folder, session
        self._env_config = with_one_precision(config)
        self.env = make_training_env(with_groups(self._env_config))
        penalized = KLPenalty(self.env, **config.kl.model_dump())
        self.agent = make_agent(config, penalized)
        policy = self.agent.policy
        assert isinstance(policy, LanguageModelPolicy)
        self.policy = policy
        penalized.set_policy(policy)
        split = config.evaluation.split
        self.held_out = as_language(make_evaluation_env(self._env_config, split, EVALUATION_ROWS))
        self.stages: list[Stage] = []
        self._notes: dict[str, Any] = {}

    def finish_stage(self, name: str) -> None:
        """Completes the held-out prompts and logs the measures."""
        episodes = self.config.evaluation.episodes
        indices = evenly_spaced_indices(self.held_out.task.num_examples, episodes)
        stage = measure_stage(name, self.policy, self.held_out, indices)
        self.stages.append(stage)
        write_jsonl(self.folder / STAGES, map(asdict, self.stages))
        row = {"step": self.agent.num_timesteps, "stage": name, "held_out": stage.summary}
        log_metrics(self.folder, row, self._tracker)

    def start(self) -> None:
        """Runs the configured stages before reinforcement learning."""
        logs.delete_logs(self.folder)
        self.finish_stage("base")
        if self.config.warm_start is not None:
            self._warm_start(self.config.warm_start)
        if self.config.distillation is not None:
            self._distill(self.config.distillation)

    def resume(self) -> None:
        """Restores the checkpoint, and the logs and stages of that time."""
        self._notes = checkpoints.restore(self.agent, self.folder / CHECKPOINT)
        logs.rewind(self.folder, self.agent.num_timesteps)
        self.stages = [each for each in read_stages(self.folder) if each.stage != REINFORCED]
        log = [row for row in logs.read_metrics(self.folder) if row.get("stage") != REINFORCED]
        write_jsonl(self.folder / METRICS, log)

    def reinforce(self) -> None:
        """Runs reinforcement learning until the budget is used or the target reward reached."""
        done = self.agent.num_timesteps
        pending = self._notes.get("pending")
        self.agent.set_logger(logs.make_logger(self.folder, pending, step=done))
        seconds = self._notes.get("seconds", 0.0)
        callback = FinetuneCallback(
            self.config,
            self.folder,
            self.held_out,
            self.export,
            seconds=seconds,
            session=self._session,
            tracker=self._tracker,
        )
        budget = self.config.total_timesteps - done
        try:
            if budget > 0 and not self._has_reached_target():
                is_new = not self._notes  # a run stopped at step 0 must not reset its rows again
                self.agent.learn(budget, callback=callback, reset_num_timesteps=is_new)
        finally:
            callback.close()
            self.agent.logger.close()
        self._stop_if_asked(self.agent.num_timesteps)
        self.finish_stage(REINFORCED)

    def _has_reached_target(self) -> bool:
        """Returns whether the last evaluation, or before any step the last stage, reached it."""
        target = self.config.stop_at_reward
        if target is None or self.agent.num_timesteps or not self.stages:
            return logs.has_reached(self.folder, target)
        return float(np.mean(self.stages[-1].values["reward"])) >= target

    def keep_start(self) -> None:
        """Writes the checkpoint of an agent that took no step, which later commands load."""
        if not (self.folder / CHECKPOINT).is_file():
            self.agent._last_obs = self.agent.get_env().reset()  # type: ignore[union-attr]  # it has rows
            checkpoints.save(self.agent, self.folder / CHECKPOINT)

    def export(self) -> None:
        """Writes the model with its current weights to the run folder."""
        story = stage_table(self.stages, self.config.evaluation.split)
        step = self.agent.num_timesteps
        save_pretrained(self.policy, self.folder / MODEL, step=step, story=story)

    def _stop_if_asked(self, step: int | None = None) -> None:
        """Ends the run if a signal asked for it; `step` is that of the checkpoint, if any."""
        if self._session is not None:
            self._session.check_folder()
            self._session.stop_if_asked(step)

    def _warm_start(self, settings: WarmStartConfig) -> None:
        losses = warm_start(
            self.policy,
            as_language(self.env.vector_env).task,
            seed=self.config.seed,
            **settings.model_dump(),
        )
        for step, loss in enumerate(losses, start=1):
            self._stop_if_asked()
            if step % WARM_START_LOG == 0 or step == settings.steps:
                row = {"step": 0, "warm_start": step, "loss": loss}
                log_metrics(self.folder, row, self._tracker)
        self.finish_stage("warm start")
        self.export()

    def _distill(self, settings: DistillationConfig) -> None:
        rows = self.config.env
        env = as_language(make_evaluation_env(self._env_config, rows.split, rows.n_envs))
        rounds = distill(self.policy, env, seed=self.config.seed, **settings.model_dump())
        for number, (mean, best) in enumerate(rounds, start=1):
            self._stop_if_asked()
            row = {"step": 0, "distillation": number, "training_reward": mean, "best_of_n": best}
            log_metrics(self.folder, row, self._tracker)
        env.close()
        self.finish_stage("distilled")
        self.export()


def with_one_precision(config: FinetuneConfig) -> FinetuneConfig:
    """Returns the configuration with a dtype of the environment that fits the updates.

    Without `env.kwargs.dtype` a GPU would run the environment's model in bfloat16, but the updates
    in float32: an untrained policy would then pay a KL penalty, and the first ratio of an update
    would not be 1. So the environment runs in float32 unless `bfloat16` is set; rollouts of the
    policy always run in the environment's dtype.
    """
    if config.bfloat16 or config.env.kwargs.get("dtype", "auto") != "auto":
        return config
    return config.with_env_kwargs(dtype="float32")


def with_groups(config: FinetuneConfig) -> FinetuneConfig:
    """Returns the configuration with one prompt for each group of rows, where they are compared."""
    if config.advantage not in GROUPED:
        return config
    return config.with_env_kwargs(group_size=config.group_size)


def make_agent(config: FinetuneConfig, env: KLPenalty) -> OnPolicyAlgorithm:
    """Makes the algorithm whose policy is the environment's language model, on its device."""
    kind = ALGORITHMS[config.algorithm.name].kind
    assert issubclass(kind, OnPolicyAlgorithm)
    given = with_one_precision(config).env.kwargs
    kwargs = config.algorithm.kwargs
    device = resolve_device(str(kwargs.get("device", given.get("device", "auto"))))
    dtype = resolve_dtype(given.get("dtype", "auto"), device)
    settings: dict[str, Any] = {**kwargs, "device": device}
    if config.advantage in GROUPED:
        settings["normalize_advantage"] = False
    agent = kind(
        LanguageModelPolicy,
        env,
        seed=config.seed,
        rollout_buffer_class=EpisodeRolloutBuffer,
        rollout_buffer_kwargs={"advantage": config.advantage},
        policy_kwargs={
            "model": config.env.kwargs.get("model", EMBEDDED),
            "temperature": config.temperature,
            "dtype": "bfloat16" if dtype == INT8 else dtype,  # int8 rounds on top of bfloat16
            "bfloat16": config.bfloat16,
            "gradient_checkpointing": config.gradient_checkpointing,
            "lora": None if config.lora is None else config.lora.make(),
            "mask": None if config.mask is None else config.mask.make(),
        },
        **settings,
    )
    prepare_env(config, agent, env)
    return agent
