"""`python -m benchmarks report FOLDER`: results as one HTML page, Markdown and JSON.

Owns reading a folder of results, writing the three files and the exit code of a comparison: 0, or 1
where a row became slower than its baseline.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agents.config.loading import UserError, reported
from agents.evaluation import html as page
from agents.runs.files import write_json, write_text
from benchmarks.report.compare import Change, compare, is_benchmark, missing
from benchmarks.report.sections import Section, comparison, section_of

REPORT = "report.json"


def read_results(folder: Path) -> dict[str, Any]:
    """Every JSON document below a folder by its relative path; an earlier report is left out.

    Raises:
        UserError: If there is none, or one is broken.
    """
    paths = [path for path in sorted(folder.rglob("*.json")) if path.name != REPORT]
    if not paths:
        raise UserError(
            f"Got {folder} without JSON results; allowed: a folder such as benchmarks/results/…. "
            "Measure first: python -m benchmarks throughput."
        )
    return {path.relative_to(folder).as_posix(): _read(path) for path in paths}


def read_baseline(path: Path) -> list[dict[str, Any]]:
    """The benchmarks in an earlier report.json, or the one in a result file.

    Raises:
        UserError: If it holds none.
    """
    document = _read(path)
    benchmarks = _benchmarks(document.get("results", {path.name: document}))
    if not benchmarks:
        raise UserError(f"Got {path} without timed rows; allowed: a {REPORT}, or a result file.")
    return benchmarks


def sections_of(folder: Path, results: Mapping[str, Any]) -> list[Section]:
    """A section for each document, benchmarks first; pictures join the first of their folder."""
    pictures: dict[str, dict[str, bytes]] = {}
    for path in sorted(folder.rglob("*.png")):
        place = path.relative_to(folder)
        pictures.setdefault(place.parent.as_posix(), {})[place.as_posix()] = path.read_bytes()
    names = sorted(results, key=lambda name: not is_benchmark(results[name]))
    parents = [Path(name).parent.as_posix() for name in names]
    return [
        section_of(name, results[name], pictures.pop(parent, {}))
        for name, parent in zip(names, parents, strict=True)
    ]


def html(title: str, sections: Sequence[Section]) -> str:
    """The report as one self-contained page."""
    parts = []
    for section in sections:
        parts += [page.heading(section.title), *map(page.paragraph, section.lines)]
        if section.command:
            parts.append(page.Html(f"<pre>{escape(section.command)}</pre>"))
        if section.header:
            parts.append(page.table(section.header, section.rows, section.caption))
        parts += [page.picture(png, caption) for caption, png in section.pictures.items()]
        if section.values:
            parts.append(page.folded("values", section.values))
    return page.page(title, parts)


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The report as Markdown: words and tables; pictures that are files are linked."""
    lines = [f"# {title}"]
    for section in sections:
        lines += ["", f"## {section.title}"]
        for line in section.lines:
            lines += ["", line]
        if section.command:
            lines += ["", f"    {section.command}"]
        if section.header:
            lines += ["", *_markdown_table(section), "", section.caption]
        for caption in section.pictures:
            lines += ["", f"![{caption}]({caption})"] if caption.endswith(".png") else []
        if section.values:
            text = json.dumps(section.values, ensure_ascii=False, indent=2)
            lines += ["", "```json", text, "```"]
    return "\n".join(lines).rstrip() + "\n"


def main(
    folder: Annotated[Path, typer.Argument(help="benchmarks/results/<date>-<machine>")],
    baseline: Annotated[
        Path | None, typer.Option(help=f"earlier {REPORT} or result file to compare with")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0.0, help="share of time that may be added, 0.1 is ten percent")
    ] = 0.1,
) -> None:
    """Writes report.html, report.md and report.json; exit code 1 if a row became slower."""
    with reported():
        results = read_results(folder)
        sections, changes = sections_of(folder, results), []
        if baseline is not None:
            old, new = read_baseline(baseline), _benchmarks(results)
            changes = compare(old, new, threshold)
            sections.insert(0, comparison(changes, missing(old, new), threshold))
        document = {"results": results, "changes": [asdict(change) for change in changes]}
        title = f"Benchmarks: {folder.resolve().name}"
        write_text(folder / "report.html", html(title, sections))
        write_text(folder / "report.md", markdown(title, sections))
        write_json(folder / REPORT, document)
        _tell(folder, changes)
        if changes and all(change.verdict == "too noisy" for change in changes):
            raise UserError("Got only rows too noisy to compare; measure with more --repeats.")
    raise SystemExit(int(any(change.verdict == "slower" for change in changes)))


def command(arguments: Sequence[str]) -> None:
    """Runs `main` with a command line."""
    app = typer.Typer(add_completion=False)
    app.command()(main)
    app(list(arguments), prog_name="python -m benchmarks report")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"Got {path}, which is no JSON file: {error}.") from None
    if not isinstance(document, dict):
        raise UserError(f"Got {path}, a {type(document).__name__}; allowed: a JSON object.")
    return document


def _benchmarks(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [document for document in results.values() if is_benchmark(document)]


def _markdown_table(section: Section) -> list[str]:
    """Rows of a pipe table; the first column to the left, the others to the right."""
    lines = [section.header, ["---", *["---:"] * (len(section.header) - 1)], *section.rows]
    return [f"| {' | '.join(map(_markdown_cell, line))} |" for line in lines]


def _markdown_cell(text: str) -> str:
    return escape(text, quote=False).replace("|", r"\|").replace("\n", "<br>")


def _tell(folder: Path, changes: Sequence[Change]) -> None:
    """Prints what to look at, then one line of JSON."""
    console = Console(highlight=False)
    for change in changes:
        console.print(f"{change.verdict:>9} {change.slowdown:+7.1%}  {change.row}", markup=False)
    verdicts = {change.row: change.verdict for change in changes}
    files = [str(folder / name) for name in ("report.html", "report.md", REPORT)]
    typer.echo(json.dumps({"subject": "report", "files": files, "verdicts": verdicts}))
