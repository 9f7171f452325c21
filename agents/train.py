"""`python -m agents.train CONFIG`: trains a Stable-Baselines3 agent on a language environment.

Owns the order of a run and the files that it leaves. Algorithms, callbacks, statistics and layout
live in the packages beside it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
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
from agents.baselines.cloning import check_clonable, imitate
from agents.baselines.families import Environments
from agents.baselines.reachability import reachability_report, reachable_share
from agents.baselines.registry import families
from agents.baselines.selection import teacher_of
from agents.baselines.suite import Suite, run_suite
from agents.config.imports import TRUST_HELP, import_for_run, shown_flag
from agents.config.loading import load_config, reported
from agents.config.train import ORACLE, TrainConfig
from agents.evaluation import plots
from agents.evaluation.baselines import Policy, untrained
from agents.evaluation.comparison import AGENT, Rollouts, summarize
from agents.evaluation.rollouts import (
    agent_policy,
    evenly_spaced_indices,
    mean_scores,
    run_episodes,
)
from agents.evaluation.samples import before_and_after, training_samples
from agents.evaluation.summary import NUM_TEXTS, print_summary
from agents.runs import checkpoints, logs
from agents.runs.callbacks import TrainingCallback
from agents.runs.checkpoints import CHECKPOINT
from agents.runs.files import write_json, write_text
from agents.runs.folder import RESULT, OpenedRun, opened_run, versions
from agents.runs.tracking import TRACK_HELP, check_tracker
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.sb3 import LanguageVecEnv
from lm_envs.transcript import Transcript

NUM_SAMPLES = 8
EVALUATION_ROWS = 64
LARGEST_CHECK = 10_000
"""Examples whose prompts are measured before a run, so that large data sets start at once."""


def _start_callback(
    config: TrainConfig,
    run: OpenedRun,
    model: BaseAlgorithm,
    held_out: EpisodicVectorEnv,
    make_callback: Callable[..., TrainingCallback],
) -> TrainingCallback:
    """Prepares an agent and the logs of a run, from the start or from its checkpoint.

    Args:
        config: Of the run.
        run: Its folder. When it continues, the logs are cut off at the step of the checkpoint.
        model: Untrained; it gets the state of the checkpoint, and a logger.
        held_out: Rows for evaluations.
        make_callback: Makes the callback.
    """
    folder = run.folder
    notes: dict[str, Any] = {}
    if run.is_continued:
        notes = checkpoints.restore(model, folder / CHECKPOINT)
        logs.rewind(folder, model.num_timesteps)
        _warn_about_replay_buffer(model)
    else:
        logs.delete_logs(folder)
        if config.clone_epochs:
            losses = _imitate(config, model, held_out)
            typer.echo(f"cloning: mean loss {losses[0]:.3f} to {losses[-1]:.3f} nats", err=True)
    model.set_logger(logs.make_logger(folder, notes.get("pending"), step=model.num_timesteps))
    return make_callback(
        config,
        folder,
        held_out,
        seconds=notes.get("seconds", 0.0),
        session=run.session,
        tracker=run.tracker,
        noise=notes.get("noise"),
    )


def _imitate(config: TrainConfig, model: BaseAlgorithm, held_out: EpisodicVectorEnv) -> list[float]:
    """Trains a new agent to act as the oracle or a baseline does; returns each mean loss."""
    split = config.evaluation.split
    environments = Environments(config, EVALUATION_ROWS, {split: held_out})
    return imitate(environments, model, teacher_of(environments, split))


def _learn(
    config: TrainConfig,
    run: OpenedRun,
    model: BaseAlgorithm,
    held_out: EpisodicVectorEnv,
    make_callback: Callable[..., TrainingCallback],
) -> list[Transcript] | None:
    """Trains from the start, or from the checkpoint with the logs cut off at its step.

    Returns:
        The held-out episodes of the trained agent; None if the last evaluation was not at the last
        step: the run stopped at its target, or there was nothing left to learn.
    """
    folder, session = run.folder, run.session
    callback = _start_callback(config, run, model, held_out, make_callback)
    is_left = model.num_timesteps < config.total_timesteps
    try:
        if is_left and not logs.has_reached(folder, config.stop_at_reward):
            callback.learn(model, is_continued=run.is_continued)
    finally:
        callback.close()
        model.logger.close()
    session.stop_if_asked(model.num_timesteps)
    return callback.rollouts if callback.evaluated_step == model.num_timesteps else None


def train(
    config: TrainConfig,
    runs: Path,
    *,
    resume: bool = False,
    trust_imports: bool = False,
    checkpoint: str = "last",
    track: str = "tensorboard",
) -> dict[str, Any]:
    """Trains until the step budget is used or the target reward is reached.

    Args:
        config: Of the run.
        runs: Parent of the run folder `<name>-s<seed>`.
        resume: Whether to continue from the run's checkpoint.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.
        checkpoint: From which to resume: "last", or "best" by held-out reward.
        track: One of `TRACKERS`.

    Returns:
        `run`, `steps`, `seconds`, number of `examples`, last `held_out_reward`, `baselines`
        with `chosen`, their settings and which is the strongest.

    Raises:
        UserError: If imports are not trusted, the algorithm does not fit the actions, the run
            folder cannot be used, is in use or disappears, or there are too few training examples.
        Interrupted: If SIGINT or SIGTERM arrived; the checkpoint is written first.
        FloatingPointError: If a reward, a loss or a weight is NaN or infinite.
    """
    result, _ = train_and_compare(
        config,
        runs,
        resume=resume,
        trust_imports=trust_imports,
        checkpoint=checkpoint,
        track=track,
    )
    return result


def train_and_compare(
    config: TrainConfig,
    runs: Path,
    *,
    resume: bool = False,
    trust_imports: bool = False,
    checkpoint: str = "last",
    track: str = "tensorboard",
    make_callback: Callable[..., TrainingCallback] = TrainingCallback,
) -> tuple[dict[str, Any], Rollouts]:
    """Trains as `train` does; returns its result, and the held-out rollouts of agent and baselines.

    Args:
        config: As in `train`.
        runs: As in `train`.
        resume: As in `train`.
        trust_imports: As in `train`.
        checkpoint: As in `train`.
        track: As in `train`.
        make_callback: Makes the callback, whose `learn` trains the agent.
    """
    check_tracker(track)
    import_for_run(config, trusted=trust_imports)
    check_actions(config)
    if config.clone_epochs:
        has_teacher = config.clone_policy != ORACLE
        check_clonable(config, "clone_epochs", has_teacher=has_teacher)
    with opened_run(config, runs, resume=resume, checkpoint=checkpoint, track=track) as run:
        return _run(config, run, make_callback)


def _run(
    config: TrainConfig, run: OpenedRun, make_callback: Callable[..., TrainingCallback]
) -> tuple[dict[str, Any], Rollouts]:
    """Trains in an open run folder and writes its files; returns as `train_and_compare` does."""
    folder = run.folder
    env, held_out = _make_environments(config)
    for split, rows in ((config.env.split, env.vector_env), (config.evaluation.split, held_out)):
        typer.echo(f"{split}: {_description(rows)}", err=True)
    if (share := reachable_share(held_out)) is not None:
        typer.echo(f"{config.evaluation.split}: {reachability_report(share)}", err=True)
    model = make_algorithm(config, env, None)
    suite = _baseline_suite(held_out, config)
    rollouts = suite.rollouts
    before = _sample(held_out, agent_policy(model))  # untrained, also when resumed
    evaluated = _learn(config, run, model, held_out, make_callback)
    after = _sample(held_out, agent_policy(model))
    name, policy = untrained(held_out)
    samples = {"before": before, name: _sample(held_out, policy), "after": after}
    write_text(folder / "samples.md", training_samples(samples))
    log = logs.read_metrics(folder)
    baselines = {name: mean_scores(seeds[0])["reward"] for name, seeds in rollouts.items()}
    plots.reward_curve(log, baselines, folder / "reward.png")
    last, examples = log[-1], env.vector_env.num_examples
    result = {"run": str(folder), "steps": last["step"], "seconds": last["seconds"]}
    result |= {"examples": examples, "held_out_reward": last["held_out"]["reward"]}
    result["baselines"] = baselines
    if suite.chosen:
        result["chosen"] = suite.record()["baselines"]
    write_json(folder / RESULT, {**result, "versions": versions()})
    if evaluated is None:
        indices = _evaluated_indices(held_out, config)
        evaluated = run_episodes(held_out, agent_policy(model), indices)
    return result, {AGENT: [evaluated], **rollouts}


def _sample(env: EpisodicVectorEnv, policy: Policy) -> list[Transcript]:
    """Runs a policy on the few examples that are shown in samples.md."""
    return run_episodes(env, policy, evenly_spaced_indices(env.num_examples, NUM_SAMPLES))


def _make_environments(config: TrainConfig) -> tuple[LanguageVecEnv, EpisodicVectorEnv]:
    """Makes the training rows and the held-out rows."""
    rows = min(EVALUATION_ROWS, config.env.n_envs)
    held_out = make_evaluation_env(config, config.evaluation.split, rows)
    env = make_training_env(config)
    check_alike(config, env, held_out)
    return env, held_out


def _description(env: EpisodicVectorEnv) -> str:
    """Returns what was read for a split; rows that were left out are warnings of the reader."""
    count = f"{env.num_examples} examples"
    if not isinstance(env, LanguageVectorEnv):
        return count
    indices = evenly_spaced_indices(env.num_examples, LARGEST_CHECK).tolist()
    longest = max(len(env.task.example(index).prompt) for index in indices)
    return f"{count}, the longest prompt has {longest} of {env.task.prompt_tokens} tokens"


def _warn_about_replay_buffer(model: BaseAlgorithm) -> None:
    if isinstance(model, OffPolicyAlgorithm):
        assert model.replay_buffer is not None
        if model.num_timesteps and not model.replay_buffer.size():
            typer.echo("The checkpoint has no replay buffer: it restarts empty.", err=True)


def _evaluated_indices(env: EpisodicVectorEnv, config: TrainConfig) -> np.ndarray:
    return evenly_spaced_indices(env.num_examples, config.evaluation.episodes)


def _baseline_suite(env: EpisodicVectorEnv, config: TrainConfig) -> Suite:
    """Runs the baselines that cost little on the held-out examples, each with one seed."""
    split = config.evaluation.split
    environments = Environments(config, EVALUATION_ROWS, {split: env})
    found = [family for family in families(environments, split) if family.is_cheap]
    indices = _evaluated_indices(env, config)
    return run_suite(environments, split, indices, found, seeds=(config.seed,))


def print_result(config: TrainConfig, result: dict[str, Any], rollouts: Rollouts) -> None:
    """Prints the summary of a run, its files and the commands that go on with it."""
    folder, summary = Path(result["run"]), summarize(rollouts)
    texts = before_and_after(rollouts, NUM_TEXTS)
    files = {"picture": folder / "reward.png", "texts": folder / "samples.md"}
    commands = {
        name: f"python -m agents.{name} {folder}{shown_flag(config)}"
        for name in ("evaluate", "enjoy", "explain")
    }
    title = f"{config.name}: {summary['prompts']} {config.evaluation.split} prompts"
    steps = f"{title}, after {result['steps']:,} steps"
    print_summary(summary, texts, {**files, "JSON": folder / RESULT, **commands}, steps)


def main(
    config: Annotated[Path, typer.Argument(help="YAML file, such as configs/next_word_ppo.yaml")],
    resume: Annotated[bool, typer.Option(help="continue from the run's checkpoint")] = False,
    checkpoint: Annotated[str, typer.Option(help="last or best, with --resume")] = "last",
    seed: Annotated[int | None, typer.Option(help="replaces the seed of the file")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    runs: Annotated[Path, typer.Option(help="folder of the run folders")] = Path("runs"),
    track: Annotated[str, typer.Option(help=TRACK_HELP)] = "tensorboard",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Trains an agent and writes checkpoint, logs, curve and samples to one folder."""
    with reported():
        extra = [] if seed is None else [f"seed={seed}"]
        settings = load_config(TrainConfig, config, [*(assignments or []), *extra])
        result, rollouts = train_and_compare(
            settings,
            runs,
            resume=resume,
            trust_imports=trust_imports,
            checkpoint=checkpoint,
            track=track,
        )
        if as_json:
            typer.echo(json.dumps({**result, "versions": versions()}))
        else:
            print_result(settings, result, rollouts)


if __name__ == "__main__":
    typer.run(main)
