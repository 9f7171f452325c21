"""`python -m agents.evaluate RUN …`: trained agents against baselines on the same held-out prompts.

Several runs of one configuration count as seeds of one agent. Owns the comparison; training and
drawing live elsewhere.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.algorithms.factory import (
    as_language,
    check_writes,
    make_algorithm,
    make_evaluation_env,
    make_training_env,
)
from agents.config.loading import UserError, reported
from agents.config.train import TrainConfig
from agents.evaluation import plots
from agents.evaluation.baselines import DRAWN, baselines_of, oracle
from agents.evaluation.bootstrap import mean_interval
from agents.evaluation.metrics import corpus_measures, text_measures, zero_variance_share
from agents.evaluation.report import evaluation_page, interval_cell
from agents.evaluation.rollouts import agent_policy, run_episodes, spread
from agents.evaluation.search import beam, best_of_n
from agents.runs import checkpoints
from agents.runs.callbacks import CHECKPOINT
from agents.runs.files import write_json, write_text
from agents.runs.folder import read_config, versions
from agents.train import inline
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.splits import SplitSpec
from lm_envs.transcript import Transcript

AGENT, ORACLE = "agent", "oracle"
SAMPLED = "sampling"
SEARCH_SAMPLES, SEARCH_TEMPERATURE = 4, 0.7
BEAMS = 4
ROWS = 64
BASELINE_SEEDS = 3

EpisodeBuffer = dict[str, list[list[Transcript]]]
"""Transcripts by policy, seed and prompt."""


def evaluate(
    folders: Sequence[Path], split: str, episodes: int, *, search: bool = False
) -> EpisodeBuffer:
    """Writes the same held-out prompts with every agent and baseline.

    Args:
        folders: Of the runs.
        split: Whose prompts: of "train", "validation" or "test", or of a part of one.
        episodes: Most prompts; all of the split where it has fewer.
        search: Also the best of a few samples by their reward, and the likeliest text that a beam
            finds, which takes a second or so a prompt.

    Raises:
        UserError: If a folder holds no run, the runs differ in more than their seed, or there is
            nothing written to search.
        ValueError: If there is no such split.
    """
    SplitSpec.parse(split)
    configs = _configs(folders)
    first = configs[0]
    if search:
        check_writes(first)
    env = make_evaluation_env(first, split, min(ROWS, first.env.n_envs))
    indices = spread(env.num_examples, episodes)
    written: EpisodeBuffer = {AGENT: []}
    for folder, config in zip(folders, configs, strict=True):
        policy = agent_policy(_model(folder, config))
        written[AGENT].append(run_episodes(env, policy, indices))
    for name, make in baselines_of(env).items():
        seeds = range(BASELINE_SEEDS if name in DRAWN else 1)
        written[name] = [run_episodes(env, make(seed), indices) for seed in seeds]
    if search:
        written |= _searched(first, split, as_language(env), indices)
    if isinstance(env, LanguageVectorEnv):
        written[ORACLE] = [run_episodes(env, oracle(), indices)]
    return written


def _searched(
    config: TrainConfig, split: str, env: LanguageVectorEnv, indices: np.ndarray
) -> EpisodeBuffer:
    """The best of a few samples by their reward, and the likeliest text that a beam finds."""
    beams = as_language(make_evaluation_env(config, split, BEAMS))
    samples = best_of_n(env, indices, SEARCH_SAMPLES, SEARCH_TEMPERATURE)
    return {
        f"best of {SEARCH_SAMPLES}, T={SEARCH_TEMPERATURE}": [samples],
        f"beam of {BEAMS}": [[beam(beams, index) for index in indices.tolist()]],
    }


def summarize(written: EpisodeBuffer) -> dict[str, Any]:
    """Mean and 95 % interval of each policy's scores; how the agent's reward compares.

    `agent_interval_above` says whether the two intervals are apart, `agent_ahead` by how much the
    agent's reward is higher on the same prompts, which has a narrower interval: what makes a prompt
    hard is hard for both.
    """
    scores = {name: _arrays(seeds) for name, seeds in written.items()}
    policies = {
        name: {score: _estimate(values) for score, values in arrays.items()}
        for name, arrays in scores.items()
    }
    low = policies[AGENT]["reward"]["interval"][0]
    beaten = {
        name: bool(low > policy["reward"]["interval"][1])
        for name, policy in policies.items()
        if name not in (AGENT, ORACLE)
    }
    rewards = {name: arrays["reward"] for name, arrays in scores.items()}  # (S, P) each
    ahead = {
        name: rewards[AGENT] - values.mean(0) for name, values in rewards.items() if name != AGENT
    }
    summary = {
        "seeds": len(written[AGENT]),
        "prompts": len(written[AGENT][0]),
        "policies": policies,
        "agent_interval_above": beaten,
        "agent_ahead": {name: _estimate(values) for name, values in ahead.items()},
        "corpus": {name: corpus_measures(seeds) for name, seeds in written.items()},
    }
    if SAMPLED in written:
        summary["prompts_without_variance"] = zero_variance_share(written[SAMPLED])
    return summary


def _estimate(values: np.ndarray) -> dict[str, Any]:
    """Mean of (S, P) values and its 95 % interval."""
    return {"mean": float(values.mean()), "interval": mean_interval(values)}


def _arrays(seeds: list[list[Transcript]]) -> dict[str, np.ndarray]:
    """(S, P) values of each score, the reward first, and of what is measured of any text."""
    names = ["reward", *(name for name in seeds[0][0].scores if name != "reward")]
    scores = {name: np.array([[t.scores[name] for t in ts] for ts in seeds]) for name in names}
    return scores | text_measures(seeds)


def _configs(folders: Sequence[Path]) -> list[TrainConfig]:
    """Those of runs that differ in their seed, and in nothing else."""
    configs = [_config(folder) for folder in folders]
    first = configs[0]
    for folder, config in zip(folders, configs, strict=True):
        if config.model_copy(update={"seed": first.seed}) != first:
            raise UserError(f"Got {folder}, which differs from {folders[0]} in more than its seed.")
    if len({config.seed for config in configs}) < len(configs):
        raise UserError("Got a seed twice; each run counts as a seed of its own. Give it once.")
    return configs


def _config(folder: Path) -> TrainConfig:
    if not (folder / CHECKPOINT).is_file():
        raise UserError(f"Got {folder}, which is no finished run; allowed: folders such as runs/….")
    return read_config(folder)


def _model(folder: Path, config: TrainConfig) -> BaseAlgorithm:
    model = make_algorithm(config, make_training_env(config), None)
    checkpoints.load_parameters(model, folder / CHECKPOINT)
    return model


def _table(summary: Mapping[str, Any], split: str) -> Table:
    policies = summary["policies"]
    table = Table(title=f"{summary['prompts']} {split} prompts, {summary['seeds']} agent seeds")
    table.add_column("policy")
    table.add_column("agent is ahead by\n[95 % interval]", justify="right")
    for score in policies[AGENT]:
        table.add_column(f"{score}\n[95 % interval]", justify="right")
    for name, scores in policies.items():
        ahead = summary["agent_ahead"].get(name)
        cells = [interval_cell(ahead) if ahead else "", *map(interval_cell, scores.values())]
        table.add_row(name, *cells)
    return table


def _markdown(written: EpisodeBuffer, num_samples: int) -> str:
    """The same prompts side by side, and the agent's best-rewarded texts."""
    agent = written[AGENT][0]
    lines = ["# Samples", "", "Held-out prompts, evenly spaced, first seed of each policy."]
    for number in spread(len(agent), num_samples):
        lines += ["", f"**{inline(agent[number].prompt)}** …", ""]
        if agent[number].reference:
            lines.append(f"- *reference*: {inline(agent[number].reference)}")
        for name, seeds in written.items():
            text, scores = seeds[0][number].text, seeds[0][number].scores
            lines.append(f"- {name} ({scores['reward']:+.3f}): {inline(text)}")
    best = sorted(agent, key=lambda t: -t.scores["reward"])[:num_samples]
    lines += ["", "## The agent's best-rewarded texts", ""]
    lines += [
        f"- ({t.scores['reward']:+.3f}) **{inline(t.prompt)}** {inline(t.text)}" for t in best
    ]
    return "\n".join(lines) + "\n"


def main(
    folders: Annotated[list[Path], typer.Argument(help="run folders of one configuration")],
    split: Annotated[str, typer.Option(help="train, validation, test, or 'test[:25%]'")] = "test",
    episodes: Annotated[int, typer.Option(min=2, help="most prompts")] = 200,
    samples: Annotated[int, typer.Option(min=1, help="texts to show")] = 10,
    output: Annotated[Path | None, typer.Option(help="folder; default RUN/evaluation")] = None,
    search: Annotated[bool, typer.Option(help="also the best of 4 samples by reward")] = False,
) -> None:
    """Compares trained agents with the policies to beat, such as greedy and sampling."""
    with reported():
        written = evaluate(folders, split, episodes, search=search)
        summary = summarize(written)
        policies = summary["policies"]
        target = output or folders[0] / "evaluation"
        means = {name: scores["reward"]["mean"] for name, scores in policies.items()}
        intervals = {name: scores["reward"]["interval"] for name, scores in policies.items()}
        config = _config(folders[0]).model_dump()
        document = {**summary, "split": split, "config": config, "versions": versions()}
        write_json(target / "evaluation.json", document)
        write_text(target / "samples.md", _markdown(written, samples))
        figure = target / "rewards.png"
        plots.score_bars(means, intervals, figure)
        shown = [
            {name: seeds[0][number] for name, seeds in written.items()}
            for number in spread(len(written[AGENT][0]), samples)
        ]
        figures = {"Mean held-out reward with its 95 % interval": figure}
        title = f"{config['name']} on {config['env']['id']}"
        write_text(target / "index.html", evaluation_page(document, shown, figures, title))
        Console().print(_table(summary, split))
        typer.echo(json.dumps(document))


if __name__ == "__main__":
    typer.run(main)
