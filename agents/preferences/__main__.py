"""`python -m agents.preferences STORE`: fits a reward to ratings, and reports its agreement.

Owns the command line; comparisons, features, the fit and the report live beside it.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from agents.config.loading import UserError, reported
from agents.preferences import report
from agents.preferences.comparisons import comparisons
from agents.preferences.features import cached_features
from agents.preferences.fitting import Fit, fit_preference
from agents.rating.exchange import MODEL
from lm_envs.model.loading import fingerprint
from lm_envs.rendering import printable
from lm_envs.tasks.ratings import RatingStore

SUFFIX = ".preference.safetensors"
FEATURES_SUFFIX = ".features.safetensors"
"""Of the file with features of texts; it can be deleted."""


def fit_store(path: Path, model: str | None = None) -> tuple[Fit, dict[str, Any]]:
    """Fits a preference to a store; returns it with facts about the ratings.

    Args:
        path: Of the store.
        model: Where the texts' model is; None for where it was when they were written.

    Raises:
        UserError: If there is no store, it has no model or another one, or too few comparisons.
    """
    if not path.is_file():
        raise UserError(f"Got no file {path}; allowed: a store of agents.rate.")
    store = RatingStore(path)
    properties, texts, ratings = store.properties, store.texts, store.ratings
    name = model or properties.get("model_name", "embedded")
    found = fingerprint(name)
    if (stored := properties.get(MODEL, found)) != found:
        raise UserError(
            f"Got model {name!r} (SHA-256 {found[:12]}…) for the ratings of {path}, whose texts "
            f"are of {properties.get('model_name')!r} ({stored[:12]}…); allowed: that model. Name "
            "its folder by --model."
        )
    facts = report.rating_facts(texts, ratings)
    compared = comparisons(texts, ratings)
    if not len(compared.outcomes):
        raise UserError(f"Got {path} without comparisons; rate pairs by `python -m agents.rate`.")
    header = {"model_name": name, **facts}
    features = cached_features(compared.texts, name, path.with_suffix(FEATURES_SUFFIX))
    return fit_preference(compared, *features, found, header), facts


def _print(fit: Fit, facts: dict[str, Any], output: Path) -> None:
    console = Console(highlight=False)
    table = Table(show_header=False, title="Preference of the raters", title_justify="left")
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, value in report.rows(facts, fit):
        table.add_row(printable(name), printable(value))
    console.print(table, markup=False)
    console.print(report.verdict(fit), markup=False)
    console.print(f'rewards={{"preference:{output}": 1.0}}', markup=False, soft_wrap=True)


def main(
    store: Annotated[Path, typer.Argument(help="file of agents.rate")] = Path("ratings.sqlite"),
    output: Annotated[Path | None, typer.Option(help=f"default STORE{SUFFIX}")] = None,
    model: Annotated[str | None, typer.Option(help="the texts' model, if it was moved")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the table")] = False,
) -> None:
    """Fits which texts the raters prefer; the file that it writes is a reward."""
    with reported():
        fit, facts = fit_store(store, model)
        path = output or store.with_suffix(SUFFIX)
        fit.preference.save(path)
        if as_json:
            needed = {"needed": fit.agreement.needed_for_width, "curve": fit.curve}
            document = {"output": str(path), **fit.preference.facts, **needed}
            typer.echo(json.dumps({**document, "verdict": report.verdict(fit)}))
        else:
            _print(fit, facts, path)


if __name__ == "__main__":
    typer.run(main)
