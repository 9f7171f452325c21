"""`python -m agents.train CONFIG`: trains a Stable-Baselines3 agent on a language environment.

Owns the order of a run, its curve and its samples.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.algorithms.factory import (
    check_actions,
    check_alike,
    make_algorithm,
    make_evaluation_env,
    make_training_env,
)
from agents.config.loading import load_config, reported
from agents.config.train import TrainConfig
from agents.evaluation import plots
from agents.evaluation.baselines import baselines_of, untrained
from agents.evaluation.rollouts import agent_policy, mean_scores, run_episodes, spread
from agents.runs import checkpoints, logs
from agents.runs.callbacks import CHECKPOINT, TrainingCallback
from agents.runs.files import write_text
from agents.runs.folder import open_run, versions
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.sb3 import LanguageVecEnv
from lm_envs.transcript import Transcript

NUM_SAMPLES = 8
EVALUATION_ROWS = 64


def train(config: TrainConfig, runs: Path, *, resume: bool = False) -> dict[str, Any]:
    """Trains to the end of the budget or the target reward; what came of it.

    Raises:
        UserError: If the algorithm does not fit the actions, or the run folder is there already,
            is not there to be resumed, or has another configuration; or if it learns from too few
            examples for the lines to choose from.
        FloatingPointError: If a reward, a loss or a weight is NaN or infinite.
    """
    check_actions(config)
    folder = runs / f"{config.name}-s{config.seed}"
    is_continued = open_run(config, folder, resume=resume)
    env, held_out = _environments(config)
    model = make_algorithm(config, env, None)
    baselines = _baselines(held_out, config)
    indices = spread(held_out.num_examples, NUM_SAMPLES)
    before = run_episodes(held_out, agent_policy(model), indices)  # untrained, also when resumed
    _learn(config, folder, model, held_out, is_continued=is_continued)
    after = run_episodes(held_out, agent_policy(model), indices)
    name, policy = untrained(held_out)
    policies = {"before": before, name: run_episodes(held_out, policy, indices), "after": after}
    write_text(folder / "samples.md", _samples(policies))
    log = logs.read_metrics(folder)
    plots.reward_curve(log, baselines, folder / "reward.png")
    return {
        "run": str(folder),
        "steps": log[-1]["step"],
        "seconds": log[-1]["seconds"],
        "examples": env.vector_env.num_examples,
        "held_out_reward": log[-1]["held_out"]["reward"],
        "baselines": baselines,
    }


def _environments(config: TrainConfig) -> tuple[LanguageVecEnv, EpisodicVectorEnv]:
    """Rows to learn from, and rows to be judged by."""
    rows = min(EVALUATION_ROWS, config.env.n_envs)
    held_out = make_evaluation_env(config, config.evaluation.split, rows)
    env = make_training_env(config)
    check_alike(config, env, held_out)
    return env, held_out


def _learn(
    config: TrainConfig,
    folder: Path,
    model: BaseAlgorithm,
    held_out: EpisodicVectorEnv,
    *,
    is_continued: bool,
) -> None:
    """Trains from the start or the checkpoint, with logs that go on from there."""
    notes: dict[str, Any] = {}
    if is_continued:
        notes = checkpoints.restore(model, folder / CHECKPOINT)
        logs.rewind(folder, model.num_timesteps)
        _mention_replay_buffer(model)
    else:
        logs.forget(folder)
    model.set_logger(logs.make_logger(folder, notes.get("pending")))
    companion = TrainingCallback(config, folder, held_out, seconds=notes.get("seconds", 0.0))
    remaining = config.total_timesteps - model.num_timesteps
    try:
        if remaining > 0 and not logs.has_reached(folder, config.stop_at_reward):
            model.learn(remaining, callback=companion, reset_num_timesteps=not is_continued)
    finally:
        companion.close()
        model.logger.close()


def _mention_replay_buffer(model: BaseAlgorithm) -> None:
    if isinstance(model, OffPolicyAlgorithm):
        typer.echo("The replay buffer is not part of a checkpoint: it restarts empty.", err=True)


def _baselines(env: EpisodicVectorEnv, config: TrainConfig) -> dict[str, float]:
    """Held-out reward of each policy to beat, for the curve."""
    indices = spread(env.num_examples, config.evaluation.episodes)
    return {
        name: mean_scores(run_episodes(env, make(config.seed), indices))["reward"]
        for name, make in baselines_of(env).items()
    }


def _samples(policies: dict[str, list[Transcript]]) -> str:
    lines = ["# Held-out samples", "", "The same prompts before and after training, unselected."]
    for transcripts in zip(*policies.values(), strict=True):
        lines += ["", f"**{inline(transcripts[0].prompt)}** …", ""]
        for name, transcript in zip(policies, transcripts, strict=True):
            reward = f"{transcript.scores['reward']:+.3f}"
            lines.append(f"- {name} ({reward}): {inline(transcript.text)}")
    return "\n".join(lines) + "\n"


def inline(text: str) -> str:
    """One line that Markdown shows as it is."""
    text = " ".join(text.split())
    return "".join(
        f"\\{character}" if character in "\\`*_<>[]|" else character for character in text
    )


def main(
    config: Annotated[Path, typer.Argument(help="YAML file, such as configs/next_word_ppo.yaml")],
    resume: Annotated[bool, typer.Option(help="continue from the run's checkpoint")] = False,
    seed: Annotated[int | None, typer.Option(help="instead of the file's")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    runs: Annotated[Path, typer.Option(help="where run folders go")] = Path("runs"),
) -> None:
    """Trains an agent and leaves everything about it in one folder."""
    with reported():
        extra = [] if seed is None else [f"seed={seed}"]
        settings = load_config(TrainConfig, config, [*(assignments or []), *extra])
        result = train(settings, runs, resume=resume)
        typer.echo(json.dumps({**result, "versions": versions()}))


if __name__ == "__main__":
    typer.run(main)
