"""How the weights of the reward control the texts: agents with other weights, and their texts.

Each score's weight takes its values in turn, an agent is trained for each value and seed, and all
of them write the same held-out texts. Owns the runs and the measures. Lays nothing out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from agents.config.control import ControlConfig
from agents.config.imports import import_for_run
from agents.config.loading import UserError, load_config
from agents.config.train import TrainConfig
from agents.evaluation.baselines import untrained
from agents.evaluation.intervals import holm, mean_and_interval, p_value
from agents.evaluation.rollouts import agent_policy, evenly_spaced_indices, run_episodes
from agents.runs.finished import is_trained, load_agent, make_held_out_env
from agents.train import train
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript

MEASURED = ("fluency", "repetition", "sentiment")
"""Scores that are measured, beside the length and the scores whose weights change."""

TOKENS, LENGTH = "tokens", "length"
"""The measure of a text's length, and the score that pays it."""

MOST_ROWS = 64
SHOWN = 3
"""Prompts whose texts are kept for each weight."""

Texts = list[list[Transcript]]
"""Transcripts by seed and prompt."""


@dataclass(frozen=True, slots=True)
class Point:
    """One weight of one score.

    Attributes:
        score: Whose weight it is.
        weight: The value.
        configs: A run for each seed.
    """

    score: str
    weight: float
    configs: tuple[TrainConfig, ...]


def control_report(
    sweep: ControlConfig, runs: Path, split: str, episodes: int, *, trust_imports: bool = False
) -> dict[str, Any]:
    """Trains the agents that have no result yet, and measures the texts of all.

    Args:
        sweep: Which weights.
        runs: Parent of the run folders.
        split: Of the prompts, of which there are at most `episodes`.
        episodes: Most prompts.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Returns:
        `rows`, for each score and weight the mean and 95 % interval of each measure, and a few
        `texts`; `alone`, the same without an agent; `changes`, by how much the measures at the last
        weight of a score exceed those at its first one; and what was compared.

    Raises:
        UserError: If it writes no text, has too few prompts, or a finished run differs.
        ValueError: If there is no such score or split.
    """
    base = load_config(TrainConfig, Path(sweep.config), sweep.set)
    import_for_run(base, trusted=trust_imports)
    env, rewards = _measuring_env(sweep, base, split)
    indices = evenly_spaced_indices(env.num_examples, episodes)
    if len(indices) < 2:
        raise UserError(f"Got {len(indices)} prompts in split {split!r}; allowed: 2 or more.")
    points = list(_points(sweep, base, rewards))
    texts = _written(points, runs, env, indices, trust_imports=trust_imports)
    others = (name for name in sweep.weights if name != LENGTH)  # the tokens show it
    measures = list(dict.fromkeys([TOKENS, *MEASURED, *others]))
    rows = [
        {"score": each.score, "weight": each.weight, **_measured(own, measures)}
        for each, own in zip(points, texts, strict=True)
    ]
    alone = _measured([run_episodes(env, untrained(env)[1], indices)], measures)
    head = {"config": base.name, "env": base.env.id, "rewards": rewards, "measures": measures}
    head |= {"split": split, "prompts": len(indices), "seeds": len(sweep.seeds), "alone": alone}
    head |= {"steps": base.total_timesteps, "rows": rows}
    return {**head, "changes": _changes(points, texts, measures)}


def _written(
    points: Sequence[Point],
    runs: Path,
    env: LanguageVectorEnv,
    indices: np.ndarray,
    *,
    trust_imports: bool,
) -> list[Texts]:
    """Trains the runs that have no result, and returns the texts of the agents of each point."""
    configs = {config.folder_name: config for point in points for config in point.configs}
    written: dict[str, list[Transcript]] = {}
    for number, (name, config) in enumerate(configs.items(), start=1):
        typer.echo(f"run {number} of {len(configs)}: {name} …", err=True)
        _train(config, runs, trust_imports=trust_imports)
        agent = load_agent(runs / name, config)
        written[name] = run_episodes(env, agent_policy(agent), indices)
    return [[written[config.folder_name] for config in point.configs] for point in points]


def _measuring_env(
    sweep: ControlConfig, base: TrainConfig, split: str
) -> tuple[LanguageVectorEnv, dict[str, float]]:
    """Returns held-out rows that compute all measures, and the weights of the configuration."""
    plain = make_held_out_env(base, split, 1)
    if not isinstance(plain, LanguageVectorEnv):
        raise UserError(f"Got {base.env.id}, which writes no text; allowed: one that does.")
    rewards = dict(plain.task.reward.weights)
    # Weights other than 0, so that scores that cannot be paid are refused before any training.
    probe = {name: max(values, key=abs) for name, values in sweep.weights.items()}
    make_held_out_env(_with_rewards(base, base.name, {**rewards, **probe}), split, 1)
    shown = dict.fromkeys([*MEASURED, *sweep.weights], 0.0) | rewards
    env = make_held_out_env(_with_rewards(base, base.name, shown), split, MOST_ROWS)
    assert isinstance(env, LanguageVectorEnv)
    return env, rewards


def _points(
    sweep: ControlConfig, base: TrainConfig, rewards: Mapping[str, float]
) -> Iterator[Point]:
    """Yields the weights of each score; those of the configuration itself share one run a seed."""
    for score, values in sweep.weights.items():
        for weight in values:
            changed = {**rewards, score: weight}
            own = {n: value for n, value in changed.items() if value or n in rewards}
            suffix = "base" if own == rewards else re.sub(r"[^\w.-]", "_", f"{score}_{weight:g}")
            config = _with_rewards(base, f"{base.name}-{suffix}", own)
            seeds = (config.model_copy(update={"seed": seed}) for seed in sweep.seeds)
            yield Point(score, weight, tuple(seeds))


def _with_rewards(config: TrainConfig, name: str, rewards: Mapping[str, float]) -> TrainConfig:
    changed = config.with_env_kwargs(rewards=dict(rewards))
    return changed.model_copy(update={"name": name})


def _train(config: TrainConfig, runs: Path, *, trust_imports: bool) -> None:
    """Trains a run, or continues it, unless it is finished."""
    folder = runs / config.folder_name
    if not is_trained(config, folder, "--output"):
        train(config, runs, resume=folder.is_dir(), trust_imports=trust_imports)


def _measured(texts: Texts, measures: Sequence[str]) -> dict[str, Any]:
    """Returns the mean and 95 % interval of each measure, and the texts of the first seed."""
    values = {name: mean_and_interval(_values(texts, name)) for name in measures}
    shown = [{"prompt": each.prompt, "text": each.text} for each in texts[0][:SHOWN]]
    return {"measures": values, "texts": shown}


def _values(texts: Texts, measure: str) -> np.ndarray:
    """Returns a measure (S, P) of each text."""
    if measure == TOKENS:
        return np.array([[float(len(each.tokens)) for each in own] for own in texts])
    return np.array([[each.scores[measure] for each in own] for own in texts])


def _changes(
    points: Sequence[Point], texts: Sequence[Texts], measures: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Returns by score and measure the last weight's values minus the first one's, and p."""
    scores = dict.fromkeys(point.score for point in points)
    found: dict[tuple[str, str], np.ndarray] = {}
    for score in scores:
        own = [each for point, each in zip(points, texts, strict=True) if point.score == score]
        for name in measures:
            found[score, name] = _values(own[-1], name) - _values(own[0], name)
    p_values = holm({f"{score} {name}": p_value(each) for (score, name), each in found.items()})
    return {
        score: {
            name: {**mean_and_interval(found[score, name]), "p_holm": p_values[f"{score} {name}"]}
            for name in measures
        }
        for score in scores
    }
