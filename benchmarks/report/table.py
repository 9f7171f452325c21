"""Tables of results for the terminal.

Owns columns, headers and number formats. Knows nothing of files.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.table import Table

from benchmarks.subjects.time_shares import PARTS

COLUMNS = {
    "what": "{}",
    "module": "{}",
    "n": "{}",
    "dtype": "{}",
    "prompt": "{}",
    "context": "{}",
    "calls": "{:,}",
    "functions": "{:,}",
    "files": "{:,}",
    "tokens_per_s": "{:,.0f}",
    "prompt_tokens_per_s": "{:,.0f}",
    "decode_tokens_per_s": "{:,.0f}",
    "steps_per_s": "{:,.0f}",
    "steps_per_runner": "{:,.0f}",
    "of_first": "{:.0%}",
    "learner_steps_per_s": "{:,.0f}",
    "bytes_per_step": "{:,.0f}",
    "weight_kb": "{:,.0f}",
    "ms_per_step": "{:.2f}",
    "us_per_row": "{:.2f}",
    "seconds": "{:.2f}",
    "times_the_shortest": "{:.2f}",
    "slope": "{:.2f}",
    "times_the_default": "{:.2f} x",
    "times_next_word": "{:.2f} x",
    "tokens_per_step": "{:.1f}",
    "speedup": "{:.2f} x",
    "gb_per_s": "{:.1f}",
    "gflop_per_s": "{:,.0f}",
    "writing_speedup": "{:.2f} x",
    "learning_speedup": "{:.2f} x",
    "share_of_limit": "{:.0%}",
    "perplexity": "{:.2f}",
    "same_best_token": "{:.2%}",
    "logprob_error": "{:.4f}",
    "iqr": "{:.3f}",
    "writing_s": "{:.2f}",
    "learning_s": "{:.2f}",
    "peak_gib": "{:.2f}",
    **dict.fromkeys(PARTS, "{:.0%}"),
    "note": "{}",
}
"""Format of each column, in the order of a table; keys that are not here are in the JSON only."""

HEADERS = {
    "tokens_per_step": "model tokens a step",
    "tokens_per_s": "tokens/s",
    "prompt_tokens_per_s": "prompts, tokens/s",
    "decode_tokens_per_s": "decoding, tokens/s",
    "steps_per_s": "steps/s",
    "steps_per_runner": "steps/s a runner",
    "of_first": "of the first",
    "learner_steps_per_s": "learner, steps/s",
    "bytes_per_step": "bytes a step",
    "weight_kb": "weights, kB",
    "ms_per_step": "ms/step",
    "us_per_row": "µs a row and step",
    "gb_per_s": "GB/s",
    "gflop_per_s": "GFLOP/s",
    "share_of_limit": "of limit",
    "peak_gib": "peak GiB",
}
"""Headers that are not their key with spaces."""

TEXT_COLUMNS = ("what", "module")


def result_table(document: Mapping[str, Any]) -> Table:
    """The rows of a result; a ratio that is too noisy to state has an empty cell."""
    title = f"{document['subject']} on {document['machine']['cpu']}"
    return make_table(title, document["rows"], COLUMNS, HEADERS)


def make_table(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    formats: Mapping[str, str],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """A table with the columns that at least one row has.

    Args:
        title: Title above the table.
        rows: Values by column; a value that is missing or None is an empty cell.
        formats: Format string by column, in the order of the columns.
        headers: Headers that are not their column's name with spaces.
    """
    shown = [name for name in formats if any(name in row for row in rows)]
    table = Table(title=title)
    for name in shown:
        header = headers.get(name, name.replace("_", " "))
        table.add_column(header, justify="left" if name in TEXT_COLUMNS else "right")
    for row in rows:
        cells = [(name, row.get(name)) for name in shown]
        table.add_row(*("" if v is None else formats[name].format(v) for name, v in cells))
    return table
