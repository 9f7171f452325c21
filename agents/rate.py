"""`python -m agents.rate RUN|MODEL`: people rate texts on a page of this machine.

Owns the command line; texts, queue, server and exchange live in `agents.rating`.
"""

from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated

import typer

from agents.config.imports import TRUST_HELP
from agents.config.loading import UserError, reported
from agents.rating.exchange import MODEL, export_ratings, import_ratings
from agents.rating.queue import RatingQueue, check_rater
from agents.rating.server import RatingServer
from agents.rating.serving_lock import serving
from agents.rating.texts import TextSource, load_source, make_writers, pairs
from lm_envs.model.loading import fingerprint, locate
from lm_envs.tasks.ratings import RatingStore

SOURCE = "source "
"""Prefix of the properties of a store that name what its texts are of."""


def fill_store(
    store: RatingStore, source: TextSource, prompts: str | None, count: int, *, seed: int = 0
) -> None:
    """Adds pairs to a store until it has `count`.

    Args:
        store: Of the same model, or new.
        source: Run, or model.
        prompts: File, or id of an environment; None for the run's own.
        count: Of pairs.
        seed: Of the samples.

    Raises:
        UserError: If the store is of another model, has enough pairs of another source, or no pair
            of different texts was found.
    """
    bind_model(store, source.model)
    known, name = len(store.pairs), f"{SOURCE}{source.name} {prompts or ''}".rstrip()
    sources = [each for each in store.properties if each.startswith(SOURCE)]
    if known >= count:
        if sources and name not in sources:
            raise UserError(
                f"Got {store.path}, which has {known} pairs of "
                f"{sources[0].removeprefix(SOURCE)!r}; allowed: --pairs {known + count} to add "
                f"{count} of {source.name!r}, or another --store."
            )
        return
    writers = make_writers(source, prompts, count - known, seed=seed + known)
    store.add_pairs(pairs(writers, count - known, seed + known))
    if not store.pairs:
        raise UserError(f"Got no pair of different texts of {source.name}; use other --prompts.")
    store.set_property(name, str(seed))


def bind_model(store: RatingStore, model: str) -> None:
    """Stores the model of the texts.

    Raises:
        UserError: If the store has the texts of another model.
    """
    found = fingerprint(model)
    stored = store.set_property(MODEL, found)
    if stored != found:
        raise UserError(
            f"Got {store.path} with ratings of {store.properties.get('model_name')!r} (SHA-256 "
            f"{stored[:12]}…) for {model!r} ({found[:12]}…); allowed: one model in a store. Use "
            "another --store."
        )
    store.set_property("model_name", model)


def serve(store: RatingStore, raters: list[str], port: int, *, is_scale: bool) -> None:
    """Serves the page until it is interrupted; prints an address for each rater.

    Args:
        store: With pairs.
        raters: Checked names; none for a page that asks for the name.
        port: 0 for any free one.
        is_scale: Whether single texts are rated from 0 to 10.
    """
    queue = RatingQueue(store, is_scale=is_scale)
    with RatingServer(queue, token_urlsafe(24), port) as server:
        for rater in raters or [""]:
            print(server.address(rater), flush=True)
        print(f"ratings go to {store.path}; Ctrl-C stops the server", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(f"\n{len(store.ratings)} ratings in {store.path}")


def _found_source(name: str, checkpoint: str, *, trust_imports: bool) -> TextSource:
    """Returns a source whose model is there, so that no store is made for one that is not."""
    source = load_source(name, checkpoint, trust_imports=trust_imports)
    locate(source.model)
    return source


def main(
    source: Annotated[str, typer.Argument(help="run folder, or model")] = "embedded",
    store: Annotated[Path, typer.Option(help="file of the ratings")] = Path("ratings.sqlite"),
    prompts: Annotated[str | None, typer.Option(help="file, or environment id")] = None,
    num_pairs: Annotated[int, typer.Option("--pairs", min=1, help="pairs to rate")] = 100,
    rater: Annotated[list[str] | None, typer.Option(help="a name; repeatable")] = None,
    scale: Annotated[bool, typer.Option("--scale", help="rate single texts, 0 to 10")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8765,
    seed: Annotated[int, typer.Option(min=0, help="of the samples")] = 0,
    export_to: Annotated[Path | None, typer.Option(help="writes JSONL and ends")] = None,
    import_from: Annotated[Path | None, typer.Option(help="adds JSONL and ends")] = None,
    checkpoint: Annotated[str, typer.Option(help="of a run: last, or best")] = "last",
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Shows two continuations of a prompt side by side, and stores which one is better."""
    with reported():
        if export_to is not None and not store.is_file():
            raise UserError(f"Got no file {store}; allowed: a store of agents.rate.")
        if import_from is not None:
            texts = _found_source(source, checkpoint, trust_imports=trust_imports)
            ratings = RatingStore(store)
            bind_model(ratings, texts.model)
            print(f"{import_ratings(ratings, import_from)} new ratings in {store}")
        if export_to is not None:
            print(f"{export_ratings(RatingStore(store), export_to)} ratings in {export_to}")
        if import_from is None and export_to is None:
            for name in rater or []:
                check_rater(name)
            texts = _found_source(source, checkpoint, trust_imports=trust_imports)
            ratings = RatingStore(store)
            with serving(store):
                fill_store(ratings, texts, prompts, num_pairs, seed=seed)
                serve(ratings, rater or [], port, is_scale=scale)


if __name__ == "__main__":
    typer.run(main)
