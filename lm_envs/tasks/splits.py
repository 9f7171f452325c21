"""Splits of examples (train, validation, test) and percentages of them, such as "train[:25%]".

Owns the syntax of a split and the hash that assigns examples. Knows nothing of files or tasks.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

SPLITS = ("train", "validation", "test")
SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    **{"training": "train", "valid": "validation", "val": "validation", "dev": "validation"},
}
"""Splits by the names that files give them."""

ALLOWED = (
    f"{', '.join(map(repr, SPLITS))}, or the first part of one, such as 'validation[:25%]', of "
    "more than 0 and at most 100 percent"
)
"""Description of the allowed values of `split`, for error messages."""

# ASCII: without it `\d` also matches digits of other scripts, which `float` would accept.
_SYNTAX = re.compile(r"(?P<name>\w+)(\[:(?P<percent>\d+(\.\d+)?)%\])?", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """A split, or a percentage of it; `str` gives the text that `parse` reads.

    Attributes:
        name: One of `SPLITS`.
        percent: Percentage of the split's examples, 0 < percent <= 100.
    """

    name: str
    percent: float = 100.0

    @classmethod
    def parse(cls, split: object) -> "SplitSpec":
        """Parses "validation" or "validation[:25%]".

        The syntax is that of Hugging Face datasets; of its slices only `[:x%]` is supported.

        Raises:
            ValueError: If `split` is anything else; the message names the allowed values.
        """
        found = _SYNTAX.fullmatch(split) if isinstance(split, str) else None
        percent = float(found["percent"] or 100.0) if found else 0.0
        if found is None or found["name"] not in SPLITS or not 0.0 < percent <= 100.0:
            raise ValueError(f"Got split={split!r}; allowed: {ALLOWED}.")
        return cls(found["name"], percent)

    @classmethod
    def from_share(cls, name: str, share: float) -> "SplitSpec":
        """Returns a share of a split, 0 < share <= 1, rounded to a millionth of a percent."""
        return cls(name, round(100.0 * share, 6))

    def __str__(self) -> str:
        return self.name if self.percent == 100.0 else f"{self.name}[:{self.digits}%]"

    @property
    def digits(self) -> str:
        """The percentage without trailing zeros: "5", "12.5"."""
        return f"{self.percent:.6f}".rstrip("0").rstrip(".")

    def select(self, examples: Sequence[T], get_text: Callable[[T], str]) -> list[T]:
        """Returns this percentage of a split's examples, in their original order.

        The examples with the smallest hashes of their texts are selected. The selection is thus
        close to a random sample, does not depend on the order of the file, and a smaller percentage
        is a subset of every larger one. Its size is the nearest whole number, but at least 1.

        Args:
            examples: All examples of the split.
            get_text: Returns the text of an example, which is hashed.
        """
        if self.percent == 100.0:
            return list(examples)
        order = sorted(range(len(examples)), key=lambda place: _digest(get_text(examples[place])))
        count = max(1, round(len(examples) * self.percent / 100.0))
        return [examples[place] for place in sorted(order[:count])]


def split_of(text: str, held_out: float = 0.05) -> str:
    """Assigns a text, fact or document to a split by its hash.

    Args:
        text: Examples with the same text are assigned to the same split.
        held_out: Expected share of "validation", and also of "test".
    """
    share = int.from_bytes(_digest(text)[:4], "big") / 2**32
    if share < held_out:
        return "test"
    return "validation" if share < 2 * held_out else "train"


def _digest(text: str) -> bytes:
    # Not Python's `hash`, which differs from process to process.
    return hashlib.sha256(text.encode()).digest()
