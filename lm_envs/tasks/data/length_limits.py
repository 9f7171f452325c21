"""Leaves out examples that are too long, with a warning that names the argument to raise.

Knows only lengths and limits. Knows nothing of what the examples contain.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TypeVar

from lm_envs.tasks.datasets import EMBEDDED

T = TypeVar("T")

KNOWN_SHARE = 0.1
"""Largest share of the embedded examples that may be left out without a warning."""


def drop_too_long(
    examples: Sequence[T],
    lengths: Mapping[str, Sequence[int]],
    limits: Mapping[str, int],
    dataset: str,
) -> list[T]:
    """Returns the examples that are within every limit, in the same order.

    Warns if it leaves some examples out. It does not warn for up to a tenth of the embedded
    dataset, a few of whose examples are known to be too long, nor if no example is left, because
    callers raise then.

    Args:
        examples: Examples of one split.
        lengths: For each argument in `limits`, the length of each example, in tokens.
        limits: Largest allowed length by the name of the argument that sets it, in tokens.
        dataset: Name of the dataset, for the warning.
    """
    kept = [
        example
        for place, example in enumerate(examples)
        if all(lengths[name][place] <= limit for name, limit in limits.items())
    ]
    num_dropped = len(examples) - len(kept)
    num_known = KNOWN_SHARE * len(examples) if dataset == EMBEDDED else 0
    if kept and num_dropped > num_known:
        _warn(num_dropped, len(examples), dataset, lengths, limits)
    return kept


def _warn(
    num_dropped: int,
    num_examples: int,
    dataset: str,
    lengths: Mapping[str, Sequence[int]],
    limits: Mapping[str, int],
) -> None:
    too_low = [
        f"{name}={limit} (the longest needs {max(lengths[name])})"
        for name, limit in limits.items()
        if max(lengths[name]) > limit
    ]
    warnings.warn(
        f"Left out {num_dropped} of {num_examples} examples of {dataset}, which are too long for "
        f"{' and '.join(too_low)}; raise {'them' if len(too_low) > 1 else 'it'} to keep all.",
        UserWarning,
        stacklevel=3,  # the task that called drop_too_long
    )
