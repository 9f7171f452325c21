"""The result of a run: a JSON document and a Markdown page, complete after every section.

Owns the ratios between rows of different sections. Uses the standard library only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]

RATIOS = {"environment": "share_of_engine", "rivals": "engine_speedup"}
"""Key of the ratio to the engine with the same model, rows and dtype, by section."""

LONGEST_CELL = 200


class Results:
    """What has been measured so far.

    Attributes:
        machine: Result of `timing.machine`.
        rows: In the order of their arrival, each with its `section`.
        sections: Seconds and state of each section.
    """

    def __init__(self, command: str, *, is_small: bool) -> None:
        self.machine: dict[str, Any] = {}
        self.rows: list[Row] = []
        self.sections: list[Row] = []
        self._command, self._is_small = command, is_small

    def add_row(self, section: str, row: Mapping[str, Any]) -> Row:
        """Adds a row with its ratio to the engine; returns it."""
        added = {"section": section, **row}
        self.rows.append(added | self._ratio(added))
        return self.rows[-1]

    def end_section(self, name: str, seconds: float, error: str | None) -> None:
        """Adds a section's seconds, and why it ended early if it did."""
        state = "done" if error is None else "failed"
        self.sections.append({"name": name, "state": state, "seconds": seconds, "error": error})

    def as_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "subject": "gpu",
            "is_rehearsal": self._is_small,
            "machine": self.machine,
            "command": self._command,
            "sections": self.sections,
            "rows": self.rows,
        }

    def markdown(self) -> str:
        """The same as a page of tables, one a section."""
        device = self.machine.get("gpu") or self.machine.get("cpu")
        lines = [f"# GPU run of {self.machine.get('date')} on {device}", "", f"    {self._command}"]
        if self._is_small:
            lines += ["", "A rehearsal with tiny sizes: no figure means anything."]
        lines += ["", *table(self.sections)]
        for name in dict.fromkeys(row["section"] for row in self.rows):
            rows = [_without_section(row) for row in self.rows if row["section"] == name]
            lines += ["", f"## {name}", "", *table(rows)]
        return "\n".join(lines) + "\n"

    def _ratio(self, row: Row) -> Row:
        """Speed relative to the engine's with the same settings, where both are known."""
        key = RATIOS.get(row["section"])
        rates = [
            each["tokens_per_s"]
            for each in self.rows
            if each["section"] == "engine" and "tokens_per_s" in each
            if all(each.get(name) == row.get(name) for name in ("model", "n", "dtype"))
        ]
        if key is None or not rates:
            return {}
        if key == "share_of_engine":
            return {key: row["steps_per_s"] / rates[0]} if "steps_per_s" in row else {}
        return {key: rates[0] / row["tokens_per_s"]} if "tokens_per_s" in row else {}


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of a Markdown table with every column that a row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = [names, ["---"] * len(names)]
    cells = [[format_value(row.get(name)) for name in names] for row in rows]
    return [f"| {' | '.join(line)} |" for line in [*head, *cells]]


def format_value(value: object) -> str:
    """A value in at most `LONGEST_CELL` characters: four digits, no line breaks."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    text = " ".join(str(value).replace("|", "/").split())
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def format_row(row: Mapping[str, Any]) -> str:
    """One line for the terminal."""
    pairs = ((name, format_value(value)) for name, value in row.items() if name != "section")
    shown = (text if name == "what" else f"{name}={text}" for name, text in pairs if text)
    return f"{row['section']}: {', '.join(shown)}"


def _without_section(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "section"}
