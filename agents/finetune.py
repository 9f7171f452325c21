"""`python -m agents.finetune CONFIG`: trains a language model itself by reinforcement learning.

Supervised start, then Stable-Baselines3's own PPO or A2C. Owns the order of a run; measures, model
folder and penalty live elsewhere.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from agents.algorithms.factory import (
    as_language,
    check_writes,
    make_evaluation_env,
    make_training_env,
)
from agents.config.finetune import DistillationConfig, FinetuneConfig, WarmStartConfig
from agents.config.loading import load_config, reported
from agents.config.train import ALGORITHMS
from agents.evaluation.rollouts import spread
from agents.finetune_report import STAGES, Stage, judge, read_stages, samples, story
from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.distillation import distil
from agents.language_model.export import save_pretrained
from agents.language_model.kl_penalty import KLPenalty
from agents.language_model.memory_estimate import keep_freed_memory
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.warm_start import warm_start
from agents.runs import checkpoints, logs
from agents.runs.callbacks import CHECKPOINT
from agents.runs.files import append_jsonl, write_jsonl, write_text
from agents.runs.finetune_callback import FinetuneCallback
from agents.runs.folder import open_run, versions
from agents.runs.logs import METRICS
from lm_envs.model.loading import EMBEDDED

EVALUATION_ROWS = 32
MODEL = "model"
REINFORCED = "reinforced"
"""The last stage."""
WARM_START_LOG = 10
"""Supervised steps between rows of the log."""


class Finetuning:
    """One run: the agent, its environments, and what each stage wrote.

    Args:
        config: Of the run.
        folder: Of the run.
    """

    def __init__(self, config: FinetuneConfig, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.env = make_training_env(config)
        penalized = KLPenalty(self.env, **config.kl.model_dump())
        self.agent = make_agent(config, penalized)
        policy = self.agent.policy
        assert isinstance(policy, LanguageModelPolicy)
        self.policy = policy
        penalized.watch(policy)
        split = config.evaluation.split
        self.held_out = as_language(make_evaluation_env(config, split, EVALUATION_ROWS))
        self.stages: list[Stage] = []
        self._notes: dict[str, Any] = {}

    def judge(self, name: str) -> None:
        """Ends a stage: writes the held-out prompts and logs how they are."""
        indices = spread(self.held_out.task.num_examples, self.config.evaluation.episodes)
        stage = judge(name, self.policy, self.held_out, indices)
        self.stages.append(stage)
        write_jsonl(self.folder / STAGES, map(asdict, self.stages))
        row = {"step": self.agent.num_timesteps, "stage": name, "held_out": stage.summary}
        append_jsonl(self.folder / METRICS, row)

    def start(self) -> None:
        """The stages before reinforcement learning, those of them that there are."""
        logs.forget(self.folder)
        self.judge("base")
        if self.config.warm_start is not None:
            self._warm_start(self.config.warm_start)
        if self.config.distillation is not None:
            self._distil(self.config.distillation)

    def _warm_start(self, settings: WarmStartConfig) -> None:
        losses = warm_start(
            self.policy,
            as_language(self.env.vector_env).task,
            seed=self.config.seed,
            **settings.model_dump(),
        )
        for step, loss in enumerate(losses, start=1):
            if step % WARM_START_LOG == 0 or step == settings.steps:
                row = {"step": 0, "warm_start": step, "loss": loss}
                append_jsonl(self.folder / METRICS, row)
        self.judge("warm start")
        self.export()

    def _distil(self, settings: DistillationConfig) -> None:
        rows = self.config.env
        env = as_language(make_evaluation_env(self.config, rows.split, rows.n_envs))
        rounds = distil(self.policy, env, seed=self.config.seed, **settings.model_dump())
        for number, (mean, best) in enumerate(rounds, start=1):
            row = {"step": 0, "distillation": number, "training_reward": mean, "best_of_n": best}
            append_jsonl(self.folder / METRICS, row)
        env.close()
        self.judge("distilled")
        self.export()

    def resume(self) -> None:
        """Returns to the checkpoint, with the logs and the stages that were there then."""
        self._notes = checkpoints.restore(self.agent, self.folder / CHECKPOINT)
        logs.rewind(self.folder, self.agent.num_timesteps)
        self.stages = [each for each in read_stages(self.folder) if each.stage != REINFORCED]
        log = [row for row in logs.read_metrics(self.folder) if row.get("stage") != REINFORCED]
        write_jsonl(self.folder / METRICS, log)

    def reinforce(self) -> None:
        """Reinforcement learning, to the end of the budget or the target reward."""
        self.agent.set_logger(logs.make_logger(self.folder, self._notes.get("pending")))
        seconds = self._notes.get("seconds", 0.0)
        companion = FinetuneCallback(
            self.config, self.folder, self.held_out, self.export, seconds=seconds
        )
        done = self.agent.num_timesteps
        budget = self.config.total_timesteps - done
        try:
            if budget > 0 and not logs.has_reached(self.folder, self.config.stop_at_reward):
                self.agent.learn(budget, callback=companion, reset_num_timesteps=done == 0)
        finally:
            self.agent.logger.close()
        self.judge(REINFORCED)

    def export(self) -> None:
        """Writes the model as it is now."""
        told = story(self.stages, self.config.evaluation.split)
        step = self.agent.num_timesteps
        save_pretrained(self.policy, self.folder / MODEL, step=step, story=told)


def finetune(config: FinetuneConfig, runs: Path, *, resume: bool = False) -> dict[str, Any]:
    """Trains a language model; what each stage measured.

    Raises:
        UserError: If nothing is written in the environment, or the run folder is there already, is
            not there to be resumed, or has another configuration.
        FloatingPointError: If a loss, a gradient or a reward is NaN or infinite; the weights were
            not updated with it, and the last export is whole.
    """
    check_writes(config)
    folder = runs / f"{config.name}-s{config.seed}"
    is_continued = open_run(config, folder, resume=resume)
    run = Finetuning(config, folder)
    if is_continued:
        run.resume()
    else:
        run.start()
    run.reinforce()
    run.export()
    write_text(folder / "samples.md", samples(run.stages))
    return {
        "run": str(folder),
        "model": str(folder / MODEL),
        "steps": run.agent.num_timesteps,
        "stages": {each.stage: each.summary for each in run.stages},
    }


def make_agent(config: FinetuneConfig, env: KLPenalty) -> OnPolicyAlgorithm:
    """The algorithm, whose policy is the language model of the environment."""
    kind = ALGORITHMS[config.algorithm.name].kind
    assert issubclass(kind, OnPolicyAlgorithm)
    return kind(
        LanguageModelPolicy,
        env,
        seed=config.seed,
        rollout_buffer_class=EpisodeRolloutBuffer,
        rollout_buffer_kwargs={"advantage": config.advantage},
        policy_kwargs={
            "model": config.env.kwargs.get("model", EMBEDDED),
            "temperature": config.temperature,
            "bfloat16": config.bfloat16,
            "gradient_checkpointing": config.gradient_checkpointing,
            "lora": None if config.lora is None else config.lora.make(),
            "mask": None if config.mask is None else config.mask.make(),
        },
        **config.algorithm.kwargs,
    )


def main(
    config: Annotated[Path, typer.Argument(help="YAML, as configs/next_word_lm_ppo.yaml")],
    resume: Annotated[bool, typer.Option(help="continue from the run's checkpoint")] = False,
    seed: Annotated[int | None, typer.Option(help="instead of the file's")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    runs: Annotated[Path, typer.Option(help="where run folders go")] = Path("runs"),
) -> None:
    """Trains a language model and leaves everything about it in one folder."""
    keep_freed_memory()
    with reported():
        extra = [] if seed is None else [f"seed={seed}"]
        settings = load_config(FinetuneConfig, config, [*(assignments or []), *extra])
        result = finetune(settings, runs, resume=resume)
        typer.echo(json.dumps({**result, "versions": versions()}))


if __name__ == "__main__":
    typer.run(main)
