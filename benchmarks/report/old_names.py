"""Names in result files of earlier versions, and their current names.

Owns the renames, so that old results are compared with new ones. The files stay as they are.
"""

from collections.abc import Mapping
from typing import Any

KEYS = {"best_words": "top_tokens", "same_best_word": "same_best_token"}
"""Keys of rows."""

ROWS = {
    "a forward per word": "a forward per token",
    "top_k (words of the prompt), hidden": "top_k (tokens of the prompt), hidden",
}
"""Names of rows, the values of `what`."""


def with_current_names(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a benchmark's result in which renamed keys and rows have their current names."""
    return {**document, "rows": [_renamed(row) for row in document["rows"]]}


def _renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {KEYS.get(key, key): value for key, value in row.items()}
    return {**renamed, "what": ROWS.get(row["what"], row["what"])}
