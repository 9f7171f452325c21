"""`python -m benchmarks claims FILE`: trains, evaluates on the test split once, prints verdicts.

Owns the command line and the files. What is claimed is in the YAML file.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.config.loading import UserError, load_config, reported
from agents.runs.files import write_json, write_text
from benchmarks.claims.evaluation import evaluate_claim, read_claims
from benchmarks.claims.settings import ClaimsConfig, claim_configs, fine_tuning
from benchmarks.claims.table import claim_rows, equal_cost_rows, to_markdown
from benchmarks.harness import timing
from benchmarks.harness.results_folder import machine_folder
from benchmarks.learning.sweep import run_all

RESULTS = Path("benchmarks/results")


def main(
    claims: Annotated[Path, typer.Argument(help="YAML file: benchmarks/sweeps/claims.yaml")],
    jobs: Annotated[int, typer.Option(min=1, help="runs at the same time, a thread each")] = 2,
    runs: Annotated[Path, typer.Option(help="folder of finished runs, named by hash")] = Path(
        "runs/claims"
    ),
    output: Annotated[
        Path | None, typer.Option(help="folder; default results/DATE-MACHINE")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="names of configurations")] = None,
    train_only: Annotated[bool, typer.Option(help="leave the evaluated split unread")] = False,
    documents: Annotated[
        Path | None, typer.Option(help="make the table from this folder's evaluated claims alone")
    ] = None,
) -> None:
    """Trains every agent, compares it with its strongest baseline once, and adjusts all claims."""
    with reported():
        settings = load_config(ClaimsConfig, claims)
        chosen = [(claim, claim_configs(claim)) for claim in settings.claims]
        if only:
            chosen = [(claim, configs) for claim, configs in chosen if configs[0].name in only]
        if not chosen:
            raise UserError(f"Got only={only}; allowed: names of configurations in {claims}.")
        if documents is not None:
            known, missing = read_claims(chosen, documents)
            if missing:
                print(f"not evaluated, left out: {', '.join(missing)}", file=sys.stderr)
            _write_table(documents, known)
            return
        models = [model for claim, _ in chosen if (model := fine_tuning(claim)) is not None]
        run_all([*(config for _, configs in chosen for config in configs), *models], runs, jobs)
        if train_only:
            return
        target = (output or machine_folder(timing.machine(), RESULTS)) / "claims"
        found = []
        for claim, configs in chosen:
            print(f"{configs[0].name}: {claim.split}", file=sys.stderr, flush=True)
            found.append(evaluate_claim(claim, configs, runs, target))
        _write_table(target, found)


def _write_table(folder: Path, documents: list[dict[str, Any]]) -> None:
    """Writes claims.json and claims.md, and prints the tables."""
    rows, equal = claim_rows(documents), equal_cost_rows(documents)
    records = {"rows": rows, "equal_cost": equal}
    write_json(
        folder / "claims.json",
        {name: [row.record() for row in found] for name, found in records.items()},
    )
    text = to_markdown(rows)
    if equal:
        text += f"\nAmong policies that write one text for each prompt:\n\n{to_markdown(equal)}"
    write_text(folder / "claims.md", text)
    typer.echo(text)
