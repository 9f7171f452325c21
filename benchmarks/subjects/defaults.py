"""Default arguments that the subjects share."""

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.harness.models import GPT2_124M
from lm_envs.model.loading import DTYPES as FLOAT_DTYPES

MODEL = GPT2_124M
ROWS = (1, 8, 64)
DTYPES = tuple(FLOAT_DTYPES)
REPEATS = 5
"""Timed runs of each competitor; an odd number, so that the median is one of them."""

Compare = Callable[[str, int, str, int], list[dict[str, Any]]]
"""Returns the rows of one setting, from model, number of rows, dtype and repeats."""


def measure_settings(
    subject: str,
    compare: Compare,
    model: str,
    rows: Sequence[int],
    dtypes: Sequence[str],
    repeats: int,
) -> dict[str, Any]:
    """Returns a subject's result: the rows of each dtype and number of rows."""
    results = []
    for dtype in dtypes:
        for num_rows in rows:
            results += compare(model, num_rows, dtype, repeats)
    return {"subject": subject, "model": model, "rows": results}
