"""`python -m agents.build_assets`: regenerates the embedded examples from their sources.

Owns the list of parts; the same sources give the same bytes. Needs the extra `lm_envs[corpus]`.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from agents.corpus import (
    classification,
    facts,
    paraphrase,
    paraphrase_rules,
    prose,
    translation,
)
from agents.corpus.countries import fields, links
from agents.runs.files import write_jsonl

EXAMPLES = Path(__file__).parents[1] / "lm_envs" / "assets" / "examples"
PARTS: dict[str, Callable[[], Iterable[Mapping[str, Any]]]] = {
    "prose": prose.passages,
    "facts": facts.facts,
    "country_links": links.links,
    "country_fields": fields.rows,
    "translation": translation.pairs,
    "paraphrase": paraphrase.pairs,
    "paraphrase_rules": paraphrase_rules.rows,
    "classification": classification.rows,
}


def build(folder: Path = EXAMPLES) -> None:
    """Writes one JSONL file per part to `folder`."""
    for name, rows in PARTS.items():
        write_jsonl(folder / f"{name}.jsonl", rows())


if __name__ == "__main__":
    typer.run(build)
