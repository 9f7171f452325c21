"""`python -m agents.train CONFIG`: trains a Stable-Baselines3 agent on a language environment.

Owns the run folder: resolved configuration, versions, metrics, checkpoint, curve and samples.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import stable_baselines3.common.logger as sb3_logger
import torch
import typer
import yaml
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents import checkpoints, plots
from agents.baselines import BASELINES
from agents.callbacks import CHECKPOINT, METRICS, Companion
from agents.config import UserError, load_config, reported
from agents.files import write_json, write_text
from agents.learner import make_algorithm, make_evaluation_env, make_training_env
from agents.rollouts import agent_policy, mean_scores, run_episodes, spread
from agents.train_config import TrainConfig
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript

CONFIG = "config.yaml"
NUM_SAMPLES = 8
EVALUATION_ROWS = 64
PACKAGES = ("lm_envs", "gymnasium", "stable-baselines3", "torch", "numpy")


def train(config: TrainConfig, runs: Path, *, resume: bool = False) -> dict[str, Any]:
    """Trains to the end of the budget or the target reward; what came of it.

    Raises:
        UserError: If the run folder is there already, or is not there to be resumed.
    """
    folder = runs / f"{config.name}-s{config.seed}"
    checkpoint = folder / CHECKPOINT
    _prepare(config, folder, resume=resume)
    env = make_training_env(config)
    held_out = make_evaluation_env(config, config.evaluation.split, EVALUATION_ROWS)
    model = make_algorithm(config, env, str(folder / "tensorboard"))
    model.set_logger(sb3_logger.configure(str(folder), ["csv", "tensorboard"]))
    if resume:
        checkpoints.restore(model, checkpoint)
        if isinstance(model, OffPolicyAlgorithm):
            typer.echo(
                "The replay buffer is not part of a checkpoint: it restarts empty.", err=True
            )
    baselines = _baselines(held_out, config)
    indices = spread(held_out.task.num_examples, NUM_SAMPLES)
    before = run_episodes(held_out, agent_policy(model), indices)
    companion = Companion(config, folder, held_out)
    remaining = config.total_timesteps - model.num_timesteps
    try:
        if remaining > 0:
            model.learn(remaining, callback=companion, reset_num_timesteps=not resume)
    finally:
        companion.close()
    after = run_episodes(held_out, agent_policy(model), indices)
    greedy = run_episodes(held_out, BASELINES["greedy"](0), indices)
    write_text(folder / "samples.md", _samples(before, after, greedy))
    log = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    plots.reward_curve(log, baselines, folder / "reward.png")
    return {
        "run": str(folder),
        "steps": model.num_timesteps,
        "seconds": log[-1]["seconds"],
        "held_out_reward": log[-1]["held_out"]["reward"],
        "baselines": baselines,
    }


def read_config(folder: Path) -> TrainConfig:
    """The resolved configuration of a run."""
    return load_config(TrainConfig, folder / CONFIG)


def versions() -> dict[str, str]:
    """What a result depends on besides its configuration."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = {package: version(package) for package in PACKAGES}
    return found | {"python": platform.python_version(), "device": device}


def _prepare(config: TrainConfig, folder: Path, *, resume: bool) -> None:
    if resume:
        if not (folder / CHECKPOINT).is_file():
            raise UserError(f"Got --resume, but there is no {folder / CHECKPOINT}; drop it.")
        return
    if folder.exists():
        raise UserError(f"Got a run at {folder} already; use --resume, --seed or --set name=….")
    folder.mkdir(parents=True)
    resolved = yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)
    write_text(folder / CONFIG, resolved)
    write_json(folder / "versions.json", versions())


def _baselines(env: LanguageVectorEnv, config: TrainConfig) -> dict[str, float]:
    """Held-out reward of each policy to beat, for the curve."""
    indices = spread(env.task.num_examples, config.evaluation.episodes)
    return {
        name: mean_scores(run_episodes(env, make(config.seed), indices))["reward"]
        for name, make in BASELINES.items()
    }


def _samples(before: list[Transcript], after: list[Transcript], greedy: list[Transcript]) -> str:
    lines = ["# Held-out samples", "", "The same prompts before and after training, unselected."]
    for untrained, trained, plain in zip(before, after, greedy, strict=True):
        lines += ["", f"**{inline(trained.prompt)}** …", ""]
        for name, transcript in (("before", untrained), ("greedy", plain), ("after", trained)):
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
