"""Comparison of new results with old ones: faster, slower, or too noisy.

Owns when two rows are the same and when one is slower. Knows nothing of files or pages.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.harness.timing import NOISY

Verdict = Literal["slower", "faster", "same", "too noisy"]
Document = Mapping[str, Any]
Row = Mapping[str, Any]

RATES = ("tokens_per_s", "steps_per_s")
COSTS = ("ms_per_step", "seconds")
METRICS = (*RATES, *COSTS)
"""Metrics by which a row is compared: the first one that the row has."""

ROW_KEY = ("what", "n", "dtype", "context")
"""Settings of a row; a row need not have all of them."""

_DOCUMENT_KEY = ("subject", "model", "prompt", "new")
"""Settings of a document; where a row has the key too, the row's value holds."""

_MACHINE_KEY = ("cpu", "cores", "threads", "gpu")
"""What must agree for a comparison of durations."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row, measured twice.

    Attributes:
        row: Settings of the row.
        metric: Name in `METRICS` of `old` and `new`.
        old: Value in the baseline.
        new: Value now.
        slowdown: Relative change of the time, -1 or more; 0.1 is ten percent slower.
        spread: Interquartile range over median of the noisier of the two; 0 or more.
        verdict: "slower" or "faster" beyond the threshold and the spread, else "same"; "too noisy"
            where the spread is above `benchmarks.harness.timing.NOISY`.
    """

    row: str
    metric: str
    old: float
    new: float
    slowdown: float
    spread: float
    verdict: Verdict


def compare(old: Iterable[Document], new: Iterable[Document], threshold: float) -> list[Change]:
    """Compares every row that both sides have, in the order of the new results.

    Args:
        old: Results of the baseline.
        new: Results to compare with it.
        threshold: Relative change of the time, 0 or more, up to which a row is the same.

    Raises:
        ValueError: If no row is on both sides, or one was measured on another machine.
    """
    by_key = {key: (document, row) for key, document, row in _rows(old)}
    changes = []
    for key, document, row in _rows(new):
        if key in by_key:
            old_document, old_row = by_key[key]
            _check_machine(old_document, document)
            changes.append(_change(key, old_row, row, threshold))
    if not changes:
        raise ValueError(
            f"Got no row of the baseline in the results; allowed: results that agree in "
            f"{', '.join(_DOCUMENT_KEY + ROW_KEY)}. Measure with the baseline's options."
        )
    return changes


def is_benchmark(document: Document) -> bool:
    """Whether a JSON document is a result of `python -m benchmarks`."""
    return {"subject", "rows", "machine"} <= set(document)


def missing(old: Iterable[Document], new: Iterable[Document]) -> list[str]:
    """Settings of the baseline's rows that the new results do not have."""
    found = {key for key, _, _ in _rows(new)}
    return [_name(key[:-1]) for key, _, _ in _rows(old) if key not in found]


def find_metric(row: Row) -> str | None:
    """The metric by which a row is compared; None if it was not timed."""
    return next((metric for metric in METRICS if metric in row), None)


def _rows(documents: Iterable[Document]) -> Iterator[tuple[tuple, Document, Row]]:
    """Timed rows with their document, each after its key: settings of document and row, metric."""
    for document in documents:
        for row in document["rows"]:
            settings = tuple(row.get(name, document.get(name)) for name in _DOCUMENT_KEY)
            metric = find_metric(row)
            if metric and row.get("median"):
                yield (*settings, *(row.get(name) for name in ROW_KEY), metric), document, row


def _change(key: Sequence[str], old: Row, new: Row, threshold: float) -> Change:
    *names, metric = key
    ratio = old[metric] / new[metric] if metric in RATES else new[metric] / old[metric]
    spread = max(row["iqr"] / row["median"] for row in (old, new))
    verdict = _verdict(ratio, spread, threshold)
    return Change(_name(names), metric, old[metric], new[metric], ratio - 1, spread, verdict)


def _verdict(ratio: float, spread: float, threshold: float) -> Verdict:
    """Verdict on a ratio of times, new over old; symmetric in the logarithm of the ratio."""
    if spread > NOISY:
        return "too noisy"
    factor = 1 + max(threshold, spread)
    if ratio > factor:
        return "slower"
    return "faster" if 1 / ratio > factor else "same"


def _name(key: Sequence[object]) -> str:
    names = (*_DOCUMENT_KEY, *ROW_KEY)
    bare = ("subject", "model", "what", "dtype")
    pairs = zip(names, key, strict=True)
    return ", ".join(str(v) if k in bare else f"{k}={v}" for k, v in pairs if v is not None)


def _check_machine(old: Document, new: Document) -> None:
    before, after = (
        {name: document["machine"].get(name) for name in _MACHINE_KEY} for document in (old, new)
    )
    if before != after:
        raise ValueError(
            f"Got a baseline from {before} and results from {after}; allowed: the same machine. "
            "Measure the baseline again on this one."
        )
