"""`python -m benchmarks report FOLDER`: results as one HTML page, Markdown and JSON.

Owns loading a folder of results, writing the three files and the exit code: 1 if a row became
slower than its baseline, else 0. The content of a section is in `sections`.
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
from benchmarks.report.old_names import with_current_names
from benchmarks.report.sections import Section, comparison_section, make_section

REPORT = "report.json"


def load_results(folder: Path) -> dict[str, Any]:
    """JSON documents below a folder by their relative path, without the JSON of a report.

    Raises:
        UserError: If there is none, or a file is not a JSON object.
    """
    paths = [path for path in sorted(folder.rglob("*.json")) if path.name != REPORT]
    if not paths:
        raise UserError(
            f"Got {folder} without JSON results; allowed: a folder such as benchmarks/results/…. "
            "Measure first: python -m benchmarks throughput."
        )
    return {path.relative_to(folder).as_posix(): _load(path) for path in paths}


def load_baseline(path: Path) -> list[dict[str, Any]]:
    """The benchmark results in the JSON of an earlier report, or the one in a result file.

    Raises:
        UserError: If the file has no benchmark result.
    """
    document = _load(path)
    benchmarks = _benchmarks(document.get("results", {path.name: document}))
    if not benchmarks:
        raise UserError(f"Got {path} without timed rows; allowed: a {REPORT}, or a result file.")
    return benchmarks


def make_sections(folder: Path, results: Mapping[str, Any]) -> list[Section]:
    """A section for each document, benchmarks first.

    A PNG file is shown in the first section whose document is in the same folder.
    """
    pictures: dict[str, dict[str, bytes]] = {}
    for path in sorted(folder.rglob("*.png")):
        relative = path.relative_to(folder)
        parent, caption = relative.parent.as_posix(), relative.as_posix()
        pictures.setdefault(parent, {})[caption] = path.read_bytes()
    names = sorted(results, key=lambda name: not is_benchmark(results[name]))
    parents = [Path(name).parent.as_posix() for name in names]
    return [
        make_section(name, results[name], pictures.pop(parent, {}))
        for name, parent in zip(names, parents, strict=True)
    ]


def html(title: str, sections: Sequence[Section]) -> str:
    """The report as one self-contained HTML page."""
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
    """The report as Markdown: text and tables; pictures that are PNG files are linked."""
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
        Path | None,
        typer.Option(help=f"{REPORT} of an earlier report, or a result file, to compare with"),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(min=0.0, help="largest slowdown of an unchanged row; 0.1 is ten percent"),
    ] = 0.1,
) -> None:
    """Writes report.html, report.md and report.json; exit code 1 if a row became slower."""
    with reported():
        results = load_results(folder)
        sections, changes = make_sections(folder, results), []
        if baseline is not None:
            old, new = load_baseline(baseline), _benchmarks(results)
            changes = compare(old, new, threshold)
            sections.insert(0, comparison_section(changes, missing(old, new), threshold))
        document = {"results": results, "changes": [asdict(change) for change in changes]}
        title = f"Benchmarks: {folder.resolve().name}"
        write_text(folder / "report.html", html(title, sections))
        write_text(folder / "report.md", markdown(title, sections))
        write_json(folder / REPORT, document)
        _print_verdicts(folder, changes)
        if changes and all(change.verdict == "too noisy" for change in changes):
            raise UserError("Got only rows too noisy to compare; measure with more --repeats.")
    raise SystemExit(int(any(change.verdict == "slower" for change in changes)))


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"Got {path}, which is no JSON file: {error}.") from None
    if not isinstance(document, dict):
        raise UserError(f"Got {path}, a {type(document).__name__}; allowed: a JSON object.")
    return document


def _benchmarks(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Benchmark results among JSON documents, with current names so that they are comparable."""
    return [with_current_names(each) for each in results.values() if is_benchmark(each)]


def _markdown_table(section: Section) -> list[str]:
    """Lines of a pipe table; the first column is aligned left, the others right."""
    lines = [section.header, ["---", *["---:"] * (len(section.header) - 1)], *section.rows]
    return [f"| {' | '.join(map(_markdown_cell, line))} |" for line in lines]


def _markdown_cell(text: str) -> str:
    return escape(text, quote=False).replace("|", r"\|").replace("\n", "<br>")


def _print_verdicts(folder: Path, changes: Sequence[Change]) -> None:
    """Prints a line for each change, then one line of JSON with files and verdicts."""
    console = Console(highlight=False)
    for change in changes:
        console.print(f"{change.verdict:>9} {change.slowdown:+7.1%}  {change.row}", markup=False)
    verdicts = {change.row: change.verdict for change in changes}
    files = [str(folder / name) for name in ("report.html", "report.md", REPORT)]
    typer.echo(json.dumps({"subject": "report", "files": files, "verdicts": verdicts}))
