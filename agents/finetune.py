"""`python -m agents.finetune CONFIG`: trains a language model itself by reinforcement learning.

Supervised start, then Stable-Baselines3's own PPO or A2C. Owns the order of a run; measures, model
folder and penalty live elsewhere.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from agents import records
from agents.config import load_config, reported
from agents.files import append_jsonl, write_json, write_jsonl, write_text
from agents.finetune_callback import FinetuneCompanion
from agents.finetune_config import FinetuneConfig
from agents.finetune_report import (
    VALUES,
    Stages,
    Values,
    measure,
    samples,
    story,
    summary,
    write_texts,
)
from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.export import save_pretrained
from agents.language_model.penalty import KLPenalty
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.warm_start import warm_start
from agents.learner import make_evaluation_env, make_training_env
from agents.records import METRICS
from agents.rollouts import spread
from agents.run_folder import open_run, versions
from agents.train_config import ALGORITHMS
from lm_envs.model.weights import EMBEDDED

EVALUATION_ROWS = 32
MODEL = "model"
RESULT = "result.json"
NUM_SAMPLES = 8
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
        penalised = KLPenalty(self.env, **config.kl.model_dump())
        self.agent = make_agent(config, penalised)
        policy = self.agent.policy
        assert isinstance(policy, LanguageModelPolicy)
        self.policy = policy
        penalised.watch(policy)
        self.held_out = make_evaluation_env(config, config.evaluation.split, EVALUATION_ROWS)
        self.written: Stages = {}
        self.values: dict[str, Values] = {}

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """Mean and interval of each measure, by stage."""
        return {stage: summary(values) for stage, values in self.values.items()}

    def judge(self, stage: str) -> None:
        """Writes the held-out prompts and logs how they are."""
        indices = spread(self.held_out.task.num_examples, self.config.evaluation.episodes)
        greedy = write_texts(self.policy, self.held_out, indices, greedy=True)
        drawn = write_texts(self.policy, self.held_out, indices, greedy=False)
        self.written[stage] = greedy[:NUM_SAMPLES]
        self.values[stage] = measure(greedy, drawn, self.policy)
        row = {"step": self.agent.num_timesteps, "stage": stage}
        append_jsonl(self.folder / METRICS, {**row, "held_out": summary(self.values[stage])})

    def start(self) -> None:
        """The supervised start, where there is one."""
        settings = self.config.warm_start
        if settings is None:
            return
        losses = warm_start(
            self.policy, self.env.vector_env.task, seed=self.config.seed, **settings.model_dump()
        )
        for step, loss in enumerate(losses, start=1):
            if step % WARM_START_LOG == 0 or step == settings.steps:
                row = {"step": 0, "warm_start": step, "loss": loss}
                append_jsonl(self.folder / METRICS, row)
        self.export()

    def reinforce(self) -> None:
        """Reinforcement learning, to the end of the budget or the target reward."""
        self.agent.set_logger(records.make_logger(self.folder))
        companion = FinetuneCompanion(self.config, self.folder, self.held_out, self.export)
        try:
            self.agent.learn(self.config.total_timesteps, callback=companion)
        finally:
            self.agent.logger.close()

    def export(self) -> None:
        """Writes the model as it is now."""
        told = story(self.stages, self.config.evaluation.split)
        step = self.agent.num_timesteps
        save_pretrained(self.policy, self.folder / MODEL, step=step, story=told)


def finetune(config: FinetuneConfig, runs: Path) -> dict[str, Any]:
    """Trains a language model; what each stage measured.

    Raises:
        UserError: If the run folder is there already.
        FloatingPointError: If a loss, a gradient or a reward is NaN or infinite; the weights were
            not updated with it, and the last export is whole.
    """
    folder = runs / f"{config.name}-s{config.seed}"
    open_run(config, folder, resume=False)
    run = Finetuning(config, folder)
    run.judge("base")
    run.start()
    if config.warm_start is not None:
        run.judge("warm start")
    run.reinforce()
    run.judge("reinforced")
    run.export()
    write_text(folder / "samples.md", samples(run.written))
    result = {
        "run": str(folder),
        "model": str(folder / MODEL),
        "steps": run.agent.num_timesteps,
        "stages": run.stages,
    }
    write_json(folder / RESULT, result)
    rows = ({"stage": stage, "values": values} for stage, values in run.values.items())
    write_jsonl(folder / VALUES, rows)
    return result


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
        },
        **config.algorithm.kwargs,
    )


def main(
    config: Annotated[Path, typer.Argument(help="YAML, as configs/next_word_lm_ppo.yaml")],
    seed: Annotated[int | None, typer.Option(help="instead of the file's")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    runs: Annotated[Path, typer.Option(help="where run folders go")] = Path("runs"),
) -> None:
    """Trains a language model and leaves everything about it in one folder."""
    with reported():
        extra = [] if seed is None else [f"seed={seed}"]
        settings = load_config(FinetuneConfig, config, [*(assignments or []), *extra])
        result = finetune(settings, runs)
        typer.echo(json.dumps({**result, "versions": versions()}))


if __name__ == "__main__":
    typer.run(main)
