"""Writes the gallery: curves and texts of the committed results.

Owns which files are shown. Computes nothing: pictures and samples are those of
`benchmarks/results/`.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PICTURES = ("reward.png", "curves.png", "loss.png")
"""Names of learning curves, by preference."""

SHOWN_PROMPTS, LONGEST_TEXT = 2, 320
POLICIES = ("reference", "agent", "random", "greedy", "base", "warm start", "reinforced", "oracle")
"""Lines of a sample that are shown; the files have all baselines."""

LINE = re.compile(r"^- \*?([\w ]+?)\*?(?: \(([+-][\d.]+)\))?: (.*)$", re.MULTILINE)
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~#$])")
ESCAPE = re.compile(r"\\([^\w\s]|_)")
"""Backslash of a samples file before a character that Markdown would take for markup."""


class Result(NamedTuple):
    """The committed results of a configuration: folder, curve and samples, where there are any."""

    folder: Path
    picture: Path | None
    samples: Path | None


def committed_results(root: Path) -> list[Result]:
    """Returns the newest results of each configuration that have a curve or samples, by name."""
    found: dict[str, Result] = {}
    for folder in sorted(root.glob("*/*/")):
        pictures = [folder / name for name in PICTURES if (folder / name).exists()]
        samples = folder / "samples.md"
        result = Result(folder, next(iter(pictures), None), samples if samples.exists() else None)
        if result.picture or result.samples:
            older = found.get(folder.name)
            found[folder.name] = result if older is None else _merged(older, result)
    return [found[name] for name in sorted(found)]


def _merged(older: Result, newer: Result) -> Result:
    """Returns the newer results; what they lack comes from the older ones."""
    return Result(newer.folder, newer.picture or older.picture, newer.samples or older.samples)


def gallery(root: Path, page: Path) -> str:
    """Returns the gallery as Markdown.

    Args:
        root: `benchmarks/results`.
        page: File of the page, to which the links are relative.
    """
    parts = [
        "# Gallery",
        "Learning curves and texts of the committed results, newest of each configuration. The "
        "texts are unselected: the first held-out prompts of each file, with the reward of each "
        "text. Figures with intervals: [results](index.md).",
    ]
    for result in committed_results(root):
        parts.append(f"## {result.folder.name.replace('_', ' ')}")
        parts.append(f"Files: `{result.folder.relative_to(root.parents[1])}`.")
        if result.picture:
            path = os.path.relpath(result.picture, page.parent)
            name = result.folder.name.replace("_", " ")
            parts.append(f"![Held-out reward of {name} over steps]({path})")
        if result.samples:
            parts += transcripts(result.samples.read_text(encoding="utf-8"))
    return "\n\n".join(parts) + "\n"


def transcripts(samples: str) -> Iterator[str]:
    """Yields the first prompts of a samples file, each with a table of its texts."""
    prompts = re.split(r"^(\*\*.*\*\*.*)$", samples, flags=re.MULTILINE)[1:]
    pairs = list(zip(prompts[::2], prompts[1::2], strict=True))
    for prompt, lines in pairs[:SHOWN_PROMPTS]:
        yield f"> {_escaped(prompt.replace('*', '').strip())}"
        rows = [
            f"| {name} | {reward} | {_escaped(text)} |"
            for name, reward, text in LINE.findall(lines)
            if name in POLICIES
        ]
        yield "\n".join(["| policy | reward | text |", "| --- | --- | --- |", *rows])


def _escaped(text: str) -> str:
    """Returns a text of a samples file for a table cell: shortened, without effect as Markdown."""
    text = ESCAPE.sub(r"\1", text)
    shown = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
    return MARKDOWN.sub(r"\\\1", " ".join(shown.split()))
