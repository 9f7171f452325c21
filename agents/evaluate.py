"""`python -m agents.evaluate RUN …`: compares trained agents with baselines on held-out prompts.

Several runs of one configuration count as seeds of one agent. Owns which policies run and which
files are written; statistics and layout live in `agents.evaluation`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.baselines.families import Environments
from agents.baselines.selection import requested_families
from agents.baselines.suite import (
    CLONE_HELP,
    FINE_TUNED_HELP,
    SEARCH_HELP,
    SEEDS,
    best_of_record,
    run_suite,
)
from agents.config.imports import TRUST_HELP, import_for_run
from agents.config.loading import UserError, reported
from agents.config.train import TrainConfig
from agents.evaluation import plots
from agents.evaluation.baselines import oracle
from agents.evaluation.breakdown import breakdown, evaluated_examples
from agents.evaluation.comparison import (
    AGENT,
    ORACLE,
    Rollouts,
    listed_scores,
    prompt_rewards,
    prompt_scores,
    summarize,
)
from agents.evaluation.report import evaluation_page
from agents.evaluation.rollouts import (
    agent_policy,
    evenly_spaced_indices,
    run_episodes,
    shows_image,
    without_image,
)
from agents.evaluation.samples import (
    before_and_after,
    evaluation_samples,
    transcripts_by_policy,
)
from agents.evaluation.search import typical_texts
from agents.evaluation.summary import NUM_TEXTS, print_summary
from agents.runs.files import check_writable, write_json, write_text
from agents.runs.finished import load_agent, read_configs
from agents.runs.folder import versions
from agents.runs.manifest import CHECKPOINT_HELP
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.splits import SplitSpec

ROWS = 64
BLINDFOLDED = "agent, image blanked"
MBR_HELP = "also each agent's most typical of N texts that it draws (minimum Bayes risk)"


def evaluate(
    folders: Sequence[Path],
    split: str,
    episodes: int,
    **options: Any,  # noqa: ANN401 - of `evaluate_with_baselines`
) -> Rollouts:
    """Runs every agent and every baseline; see `evaluate_with_baselines`, whose options it has."""
    return evaluate_with_baselines(folders, split, episodes, **options)[0]


def evaluate_with_baselines(
    folders: Sequence[Path],
    split: str,
    episodes: int,
    *,
    trust_imports: bool = False,
    checkpoint: str = "last",
    shows_progress: bool = False,
    mbr: int = 0,
    draws: int = len(SEEDS),
    **options: Any,  # noqa: ANN401 - of `requested_families`
) -> tuple[Rollouts, dict[str, Any]]:
    """Runs every agent and every baseline, with settings chosen on other examples.

    Returns transcripts, and for JSON the baselines' settings and the rewards by kind of prompt.

    Args:
        folders: Run folders of one configuration, one per seed.
        split: A split, or a part such as "test[:25%]".
        episodes: Maximum number of prompts.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.
        checkpoint: Of each run: "last", or "best" by held-out reward.
        shows_progress: Print the name of each policy to stderr before it is run.
        mbr: Also run each agent as `mbr_name(mbr)`: its most typical of so many drawn texts.
        draws: Seeds of baselines that draw, at most `len(SEEDS)`.
        options: `search`, `clone`, `only` and `fine_tuned`, as of `requested_families`.

    Raises:
        UserError: If the folders are not seeds of one configuration, or an option does not fit.
        ValueError: If there is no such split.
    """
    configs, environments, env = _opened(folders, split, trust_imports)
    progress = {"shows_progress": shows_progress}
    found = requested_families(environments, split, **options)
    indices = evenly_spaced_indices(env.num_examples, episodes)
    written = _written(env, _agents(folders, configs, checkpoint, **progress), indices, mbr)
    suite = run_suite(environments, split, indices, found, seeds=SEEDS[:draws], **progress)
    rollouts = written | suite.rollouts | _oracle(env, indices)
    best = best_of_record(environments, split, indices, suite)
    return rollouts, suite.record() | best | _breakdown(env, indices, rollouts)


def evaluate_agents(folders: Sequence[Path], split: str, episodes: int, mbr: int) -> Rollouts:
    """Runs every agent, also as its most typical of `mbr` texts, and no baseline.

    Args and errors: see `evaluate_with_baselines`.
    """
    configs, _, env = _opened(folders, split, trust_imports=False)
    indices = evenly_spaced_indices(env.num_examples, episodes)
    return _written(env, _agents(folders, configs, "last", shows_progress=False), indices, mbr)


def _opened(
    folders: Sequence[Path], split: str, trust_imports: bool
) -> tuple[list[TrainConfig], Environments, EpisodicVectorEnv]:
    """Returns the configurations of runs, and of the first what makes rows and those of a split."""
    SplitSpec.parse(split)  # refused before any run is read
    configs = read_configs(folders)
    import_for_run(configs[0], trusted=trust_imports)
    environments = Environments(configs[0], ROWS)
    return configs, environments, environments.get(split)


def _agents(
    folders: Sequence[Path],
    configs: Sequence[TrainConfig],
    checkpoint: str,
    *,
    shows_progress: bool,
) -> Iterator[BaseAlgorithm]:
    """Yields the agents; one at a time, since each has a training environment and its KV cache."""
    for folder, config in zip(folders, configs, strict=True):
        if shows_progress:
            typer.echo(f"{folder} …", err=True)
        yield load_agent(folder, config, checkpoint)


def _breakdown(env: EpisodicVectorEnv, indices: np.ndarray, rollouts: Rollouts) -> dict[str, Any]:
    """Returns the rewards by kind of prompt, by the key `breakdown`."""
    examples = evaluated_examples(env, indices)
    return {"breakdown": breakdown(examples, prompt_rewards(rollouts))}


def mbr_name(n: int) -> str:
    """Returns the name of the policy that writes the agent's most typical of n texts."""
    return f"agent, minimum Bayes risk of {n}"


def _written(
    env: EpisodicVectorEnv, agents: Iterable[BaseAlgorithm], indices: np.ndarray, mbr: int
) -> Rollouts:
    """Returns the episodes of each seed's agent; also without its image, where it has one.

    Raises:
        UserError: If the environment cannot choose among `mbr` texts, before an agent is loaded.
    """
    if mbr and (mbr < 2 or not isinstance(env, LanguageVectorEnv)):
        raise UserError(
            f"Got mbr={mbr}; allowed: 2 or more texts, in an environment that writes text. "
            "Leave it out."
        )
    written: Rollouts = {AGENT: []}
    for seed, agent in enumerate(agents):
        policy = agent_policy(agent)
        written[AGENT].append(run_episodes(env, policy, indices))
        if shows_image(env):
            blind = run_episodes(env, without_image(policy), indices)
            written.setdefault(BLINDFOLDED, []).append(blind)
        if mbr:
            torch.manual_seed(seed)  # of the draws
            typical = typical_texts(env, agent_policy(agent, deterministic=False), indices, mbr)
            written.setdefault(mbr_name(mbr), []).append(typical)
    return written


def _oracle(env: EpisodicVectorEnv, indices: np.ndarray) -> Rollouts:
    """Returns the episodes of the references, where the environment writes text."""
    is_text = isinstance(env, LanguageVectorEnv)
    return {ORACLE: [run_episodes(env, oracle(), indices)]} if is_text else {}


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
    samples = transcripts_by_policy(rollouts, num_samples)
    figures = {"Mean held-out reward with its 95 % interval": figure}
    write_text(target / "index.html", evaluation_page(document, samples, figures, _title(document)))
    names = {"page": "index.html", "picture": "rewards.png", "texts": "samples.md"}
    return {name: target / file for name, file in {**names, "JSON": "evaluation.json"}.items()}


def _title(document: Mapping[str, Any]) -> str:
    return f"{document['config']['name']} on {document['config']['env']['id']}"


def _print(rollouts: Rollouts, document: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Prints the summary; the texts are those of the untrained model and of the agent."""
    seeds = "1 seed" if document["seeds"] == 1 else f"{document['seeds']} seeds"
    title = f"{_title(document)}: {document['prompts']} {document['split']} prompts, {seeds}"
    print_summary(document, before_and_after(rollouts, NUM_TEXTS), files, title)


def main(
    folders: Annotated[list[Path], typer.Argument(help="run folders of one configuration")],
    split: Annotated[str, typer.Option(help="train, validation, test, or 'test[:25%]'")] = "test",
    episodes: Annotated[int, typer.Option(min=2, help="maximum number of prompts")] = 200,
    samples: Annotated[int, typer.Option(min=1, help="number of completions shown")] = 10,
    output: Annotated[Path | None, typer.Option(help="folder; default RUN/evaluation")] = None,
    search: Annotated[bool, typer.Option(help=SEARCH_HELP)] = False,
    clone: Annotated[bool, typer.Option(help=CLONE_HELP)] = False,
    fine_tuned: Annotated[Path | None, typer.Option(help=FINE_TUNED_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
    checkpoint: Annotated[str, typer.Option(help=CHECKPOINT_HELP)] = "last",
    mbr: Annotated[int, typer.Option(min=0, metavar="N", help=MBR_HELP)] = 0,
) -> None:
    """Compares trained agents with baselines such as greedy and sampling."""
    with reported():
        config = read_configs(folders)[0].model_dump()
        target = output or folders[0] / "evaluation"
        check_writable(target)
        options: dict[str, Any] = {"search": search, "clone": clone, "checkpoint": checkpoint}
        options |= {"trust_imports": trust_imports, "shows_progress": True, "mbr": mbr}
        options["fine_tuned"] = fine_tuned
        rollouts, baselines = evaluate_with_baselines(folders, split, episodes, **options)
        scores = prompt_scores(rollouts)
        summary = summarize(rollouts, scores)
        summary |= {**baselines, "prompt_scores": listed_scores(scores)}
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
