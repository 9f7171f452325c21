"""`python -m benchmarks finetuned RUN…`: finetuned language models beside their base model.

Owns the command line, the table and the files. The policies are in `policies`.
"""

import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.config.finetune import FinetuneConfig
from agents.config.loading import UserError, reported
from agents.evaluation.comparison import AGENT, Rollouts, listed_scores, prompt_scores, summarize
from agents.evaluation.samples import evaluation_samples
from agents.runs.files import write_bytes, write_text
from agents.runs.folder import read_config, versions
from benchmarks.finetuned.policies import Options, run_all
from benchmarks.harness import timing
from benchmarks.harness.results_folder import machine_folder

RESULTS = Path("benchmarks/results")
SOLVED = 0.999
"""A verified score of at least this counts as solved: verifiers pay a part for other answers."""


def main(
    runs: Annotated[list[Path], typer.Argument(help="folders of agents.finetune, one per seed")],
    output: Annotated[
        Path | None, typer.Option(help="folder; default results/DATE-MACHINE/NAME of the runs")
    ] = None,
    beside: Annotated[
        list[str] | None, typer.Option(help="NAME=RUN,RUN,…: other runs, one per seed")
    ] = None,
    split: Annotated[str, typer.Option(help="validation; test once, at the end")] = "validation",
    episodes: Annotated[int, typer.Option(min=2, help="maximum number of prompts")] = 200,
    best_of: Annotated[list[int] | None, typer.Option(help="samples; repeat for more")] = None,
    greedy: Annotated[bool, typer.Option(help="the agent takes the likeliest token")] = True,
    same_answer: Annotated[bool, typer.Option(help="run the most frequent answer too")] = False,
    shots: Annotated[list[int] | None, typer.Option(help="solved examples; repeat")] = None,
    samples: Annotated[int, typer.Option(min=1, help="prompts in samples.md")] = 20,
) -> None:
    """Completes the prompts of a split with every policy; writes scores, a table and texts."""
    with reported():
        groups = {AGENT: runs, **_groups(beside or [])}
        config = _config(runs[0])
        several = tuple(best_of or ()), same_answer, tuple(shots or ())
        chosen = Options(split, episodes, greedy, *several)
        rollouts, rewards = run_all(config, groups, chosen)
        scores = prompt_scores(rollouts)
        document = {
            "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
            "config": config.model_dump(),
            "seeds": {name: [_config(run).seed for run in each] for name, each in groups.items()},
            "validation_reward_by_temperature": rewards,
            "summary": summarize(rollouts, scores),
            "prompt_scores": listed_scores(scores),
            "machine": timing.machine(),
            "versions": versions(),
        }
        folder = output or machine_folder(document["machine"], RESULTS) / config.name
        _write(folder, document, rollouts, samples)
        typer.echo(table(document["summary"], rollouts))
        typer.echo(f"files in {folder}", err=True)


def _write(folder: Path, document: Mapping[str, Any], rollouts: Rollouts, samples: int) -> None:
    # Without the time in its head, the same document always gives the same bytes.
    packed = gzip.compress(json.dumps(document).encode(), mtime=0)
    write_bytes(folder / "evaluation.json.gz", packed)
    write_text(folder / "table.md", table(document["summary"], rollouts))
    write_text(folder / "samples.md", evaluation_samples(rollouts, samples))


def table(summary: Mapping[str, Any], rollouts: Rollouts) -> str:
    """Returns a Markdown table of rewards, and how far the agent is ahead.

    Of verified texts also the share that is right, and the share that contains the right answer.
    """
    names = "policy | seeds | reward ± 95 % | solved | answer in text | tokens"
    lines = [f"| {names} | agent ahead by | p (Holm) |", "|---|---|---|---|---|---|---|---|"]
    for name, seeds in rollouts.items():
        texts = [text for seed in seeds for text in seed]
        verified = [text for text in texts if "verified" in text.scores]
        ahead = summary["agent_ahead"].get(name)
        cells = [
            name,
            str(len(seeds)),
            _half_width(summary["policies"][name]["reward"]),
            _share([text.scores["verified"] >= SOLVED for text in verified]),
            _share([text.reference.strip() in text.text for text in verified]),
            f"{sum(len(text.tokens) for text in texts) / len(texts):.1f}",
            _half_width(ahead, "+") if ahead else "",
            f"{ahead['p_holm']:.3f}" if ahead and "p_holm" in ahead else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _share(found: Sequence[bool]) -> str:
    return f"{sum(found) / len(found):.3f}" if found else ""


def _half_width(value: Mapping[str, Any], sign: str = "") -> str:
    low, high = value["interval"]
    return f"{value['mean']:{sign}.3f} ± {(high - low) / 2:.3f}"


def _groups(beside: Sequence[str]) -> dict[str, list[Path]]:
    found = {}
    for each in beside:
        name, separator, folders = each.partition("=")
        if not separator or not folders or name == AGENT:
            raise UserError(f"Got --beside {each!r}; allowed: NAME=RUN,RUN with another name.")
        found[name] = [Path(folder) for folder in folders.split(",")]
    return found


def _config(folder: Path) -> FinetuneConfig:
    config = read_config(folder)
    if not isinstance(config, FinetuneConfig):
        raise UserError(f"Got {folder}; allowed: a run folder of agents.finetune.")
    return config
