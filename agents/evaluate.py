"""`python -m agents.evaluate RUN …`: compares trained agents with baselines on held-out prompts.

Several runs of one configuration count as seeds of one agent. Owns which policies run and which
files are written; statistics and layout live in `agents.evaluation`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from agents.algorithms.factory import as_language, check_writes, make_evaluation_env
from agents.config.imports import TRUST_HELP, import_for_run
from agents.config.loading import reported
from agents.config.train import TrainConfig
from agents.evaluation import plots
from agents.evaluation.baselines import (
    DRAWN,
    GREEDY,
    RANDOM,
    UNCHANGED,
    baselines_of,
    oracle,
)
from agents.evaluation.comparison import AGENT, ORACLE, Rollouts, summarize
from agents.evaluation.report import evaluation_page
from agents.evaluation.rollouts import agent_policy, evenly_spaced_indices, run_episodes
from agents.evaluation.samples import evaluation_samples
from agents.evaluation.search import beam_search, best_of_n
from agents.evaluation.summary import NUM_TEXTS, print_summary
from agents.runs.files import check_writable, write_json, write_text
from agents.runs.finished import load_agent, read_configs
from agents.runs.folder import versions
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.splits import SplitSpec
from lm_envs.transcript import Transcript

SEARCH_SAMPLES, SEARCH_TEMPERATURE = 4, 0.7
BEAMS = 4
ROWS = 64
BASELINE_SEEDS = 3


def evaluate(
    folders: Sequence[Path],
    split: str,
    episodes: int,
    *,
    search: bool = False,
    trust_imports: bool = False,
    checkpoint: str = "last",
) -> Rollouts:
    """Runs every agent and every baseline on the same held-out prompts.

    Args:
        folders: Run folders of one configuration, one per seed.
        split: "train", "validation", "test", or a part such as "test[:25%]".
        episodes: Maximum number of prompts; all of the split where it has fewer.
        search: Also run best of n and beam search, which takes about a second per prompt.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.
        checkpoint: Of each run: "last", or "best" by held-out reward.

    Raises:
        UserError: If the folders are not seeds of one configuration, imports are not trusted, or
            `search` is given for an environment that writes no text.
        ValueError: If there is no such split.
    """
    SplitSpec.parse(split)  # refused before any run is read
    configs = read_configs(folders)
    import_for_run(first := configs[0], trusted=trust_imports)
    if search:
        check_writes(first)
    env = make_evaluation_env(first, split, min(ROWS, first.env.n_envs))
    indices = evenly_spaced_indices(env.num_examples, episodes)
    # One at a time: each agent comes with a training environment and its KV cache.
    agents = (load_agent(*run, checkpoint) for run in zip(folders, configs, strict=True))
    rollouts: Rollouts = {
        AGENT: [run_episodes(env, agent_policy(agent), indices) for agent in agents],
        **_baselines(env, indices),
    }
    if search:
        rollouts |= _search(first, split, as_language(env), indices)
    return rollouts | _oracle(env, indices)


def _baselines(env: EpisodicVectorEnv, indices: np.ndarray) -> Rollouts:
    """Returns the episodes of each baseline, of several seeds if it draws."""
    return {
        name: [
            run_episodes(env, make(seed), indices)
            for seed in range(BASELINE_SEEDS if name in DRAWN else 1)
        ]
        for name, make in baselines_of(env).items()
    }


def _oracle(env: EpisodicVectorEnv, indices: np.ndarray) -> Rollouts:
    """Returns the episodes of the references, where the environment writes text."""
    is_text = isinstance(env, LanguageVectorEnv)
    return {ORACLE: [run_episodes(env, oracle(), indices)]} if is_text else {}


def _search(
    config: TrainConfig, split: str, env: LanguageVectorEnv, indices: np.ndarray
) -> Rollouts:
    """Returns the best of a few samples by reward, and the likeliest text found by a beam."""
    beams = as_language(make_evaluation_env(config, split, BEAMS))
    samples = best_of_n(env, indices, SEARCH_SAMPLES, SEARCH_TEMPERATURE)
    return {
        f"best of {SEARCH_SAMPLES}, T={SEARCH_TEMPERATURE}": [samples],
        f"beam of {BEAMS}": [[beam_search(beams, index) for index in indices.tolist()]],
    }


def _write_files(
    target: Path, rollouts: Rollouts, document: Mapping[str, Any], num_samples: int
) -> dict[str, Path]:
    """Writes evaluation.json, samples.md, rewards.png and index.html; returns their paths."""
    rewards = {name: scores["reward"] for name, scores in document["policies"].items()}
    means = {name: score["mean"] for name, score in rewards.items()}
    intervals = {name: score["interval"] for name, score in rewards.items()}
    write_json(target / "evaluation.json", document)
    write_text(target / "samples.md", evaluation_samples(rollouts, num_samples))
    figure = target / "rewards.png"
    plots.score_bars(means, intervals, figure)
    samples = _samples(rollouts, num_samples)
    figures = {"Mean held-out reward with its 95 % interval": figure}
    write_text(target / "index.html", evaluation_page(document, samples, figures, _title(document)))
    names = {"page": "index.html", "picture": "rewards.png", "texts": "samples.md"}
    return {name: target / file for name, file in {**names, "JSON": "evaluation.json"}.items()}


def _samples(rollouts: Rollouts, count: int) -> list[dict[str, Transcript]]:
    """Returns the transcripts of each policy's first seed on a few prompts."""
    return [
        {name: seeds[0][number] for name, seeds in rollouts.items()}
        for number in evenly_spaced_indices(len(rollouts[AGENT][0]), count)
    ]


def _title(document: Mapping[str, Any]) -> str:
    return f"{document['config']['name']} on {document['config']['env']['id']}"


def _print(rollouts: Rollouts, document: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Prints the summary; the texts are those of the untrained model and of the agent."""
    policies = list(document["policies"])
    before = next(name for name in (GREEDY, UNCHANGED, RANDOM) if name in policies)
    texts = [
        {f"before ({before})": sample[before], "agent": sample[AGENT]}
        for sample in _samples(rollouts, NUM_TEXTS)
    ]
    seeds = "1 seed" if document["seeds"] == 1 else f"{document['seeds']} seeds"
    title = f"{_title(document)}: {document['prompts']} {document['split']} prompts, {seeds}"
    print_summary(document, texts, files, title)


def main(
    folders: Annotated[list[Path], typer.Argument(help="run folders of one configuration")],
    split: Annotated[str, typer.Option(help="train, validation, test, or 'test[:25%]'")] = "test",
    episodes: Annotated[int, typer.Option(min=2, help="maximum number of prompts")] = 200,
    samples: Annotated[int, typer.Option(min=1, help="number of completions shown")] = 10,
    output: Annotated[Path | None, typer.Option(help="folder; default RUN/evaluation")] = None,
    search: Annotated[bool, typer.Option(help="also run best of 4 and a beam of 4")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
    checkpoint: Annotated[str, typer.Option(help="last, or best by held-out reward")] = "last",
) -> None:
    """Compares trained agents with baselines such as greedy and sampling."""
    with reported():
        config = read_configs(folders)[0].model_dump()
        target = output or folders[0] / "evaluation"
        check_writable(target)
        rollouts = evaluate(
            folders,
            split,
            episodes,
            search=search,
            trust_imports=trust_imports,
            checkpoint=checkpoint,
        )
        summary = summarize(rollouts)
        document = {
            **summary,
            "split": split,
            "checkpoint": checkpoint,
            "config": config,
            "versions": versions(),
        }
        files = _write_files(target, rollouts, document, samples)
        if as_json:
            typer.echo(json.dumps(document))
        else:
            _print(rollouts, document, files)


if __name__ == "__main__":
    typer.run(main)
