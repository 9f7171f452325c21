"""Splits of examples, and parts of splits: which example is learned from and which is held out.

Owns how a split is written and what a part of one holds. Knows nothing of files or tasks.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

SPLITS = ("train", "validation", "test")
ALLOWED = (
    f"{', '.join(map(repr, SPLITS))}, or the first part of one, such as 'validation[:25%]', of "
    "more than 0 and at most 100 percent"
)
"""What a split may be, for error messages."""

_PART = re.compile(r"(?P<name>\w+)(\[:(?P<percent>\d+(\.\d+)?)%\])?", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """A split, or its first so many percent in an order that chance would give.

    Attributes:
        name: One of `SPLITS`.
        percent: How much of it, 0 < percent <= 100.
    """

    name: str
    percent: float = 100.0

    @classmethod
    def parse(cls, split: object) -> "Part":
        """What a split says: "validation", or "validation[:25%]".

        The brackets are those of Hugging Face datasets; of their slices only this one is taken.

        Raises:
            ValueError: If it is something else, naming what is allowed.
        """
        found = _PART.fullmatch(split) if isinstance(split, str) else None
        percent = float(found["percent"] or 100.0) if found else 0.0
        if found is None or found["name"] not in SPLITS or not 0.0 < percent <= 100.0:
            raise ValueError(f"Got split={split!r}; allowed: {ALLOWED}.")
        return cls(found["name"], percent)

    @classmethod
    def of(cls, name: str, share: float) -> "Part":
        """A share of a split, 0 < share <= 1, to a millionth of a percent."""
        return cls(name, round(100.0 * share, 6))

    def __str__(self) -> str:
        return self.name if self.percent == 100.0 else f"{self.name}[:{self.digits}%]"

    @property
    def digits(self) -> str:
        """The percent without zeros that say nothing: "5", "12.5"."""
        return f"{self.percent:.6f}".rstrip("0").rstrip(".")

    def take(self, examples: Sequence[T], text_of: Callable[[T], str]) -> list[T]:
        """The part of a split's examples, in the order in which they stand.

        Which they are depends on a hash of their texts: as fair a sample as one drawn by chance,
        and a smaller part is in every larger one. It has the nearest whole number of examples, at
        least one where there is one.
        """
        if self.percent == 100.0:
            return list(examples)
        order = sorted(range(len(examples)), key=lambda place: _digest(text_of(examples[place])))
        count = max(1, round(len(examples) * self.percent / 100.0))
        return [examples[place] for place in sorted(order[:count])]


def split_of(text: str, held_out: float = 0.05) -> str:
    """Split of a text, fact or document by its hash; validation and test get `held_out` each."""
    share = int.from_bytes(_digest(text)[:4], "big") / 2**32
    if share < held_out:
        return "test"
    return "validation" if share < 2 * held_out else "train"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
