"""Rows of a dataset of the Hugging Face hub, with labels by name.

Owns the call of `datasets`. Knows nothing of the columns that a task uses.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lm_envs.tasks.data.files import FORMATS, RawRow
from lm_envs.validation import first_line


def hub_rows(dataset: str, split: str, columns: str) -> Iterator[RawRow]:
    """Yields the rows of one split; a label that is a number is replaced by its name.

    Args:
        dataset: Name on the hub.
        split: "train", "validation" or "test".
        columns: Columns that the task uses, for error messages.

    Raises:
        ValueError: If `datasets` is not installed, or cannot load the split.
    """
    try:
        from datasets import load_dataset  # type: ignore[import-not-found]  # an extra
    except ModuleNotFoundError:
        raise ValueError(
            f"Got dataset={dataset!r}, which is no local file; hub datasets need "
            f"`pip install lm_envs[data]`. Allowed without it: 'embedded' or a file in {FORMATS}."
        ) from None
    try:
        rows: Any = load_dataset(dataset, split=split)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"Got dataset={dataset!r} split={split!r}, which the hub could not load "
            f"({first_line(error)}); check the name online, or save its columns ({columns}) to a "
            f"file in {FORMATS}."
        ) from None
    names = _label_names(getattr(rows, "features", None) or {})
    for number, row in enumerate(rows):
        labels = {column: _named(row[column], found) for column, found in names.items()}
        yield f"{dataset} row {number}", {**row, **labels, "split": split}


def _label_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names of the labels of each column that holds a ClassLabel, or a list of them."""
    found: dict[str, list[str]] = {}
    for column, feature in features.items():
        names = getattr(feature, "names", None) or getattr(
            getattr(feature, "feature", None), "names", None
        )
        if names:
            found[column] = list(names)
    return found


def _named(value: Any, names: list[str]) -> Any:  # noqa: ANN401 - a value of a row
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    if value is None or value == -1:  # the hub's mark of a row without a label
        return None
    return names[value]
