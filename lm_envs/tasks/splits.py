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
    "more than 0 and at most 100 percent, or the rest of one, such as 'validation[25%:]'"
)
"""Description of the allowed values of `split`, for error messages."""

# ASCII: without it `\d` also matches digits of other scripts, which `float` would accept.
_NUMBER = r"\d+(?:\.\d+)?"
_SYNTAX = re.compile(
    rf"(?P<name>\w+)(\[:(?P<percent>{_NUMBER})%\]|\[(?P<start>{_NUMBER})%:\])?", re.ASCII
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """A split, or a percentage of it; `str` gives the text that `parse` reads.

    Attributes:
        name: One of `SPLITS`.
        percent: Percentage of the split's examples, 0 < percent <= 100.
        start: Percentage of the split's examples before this part, 0 <= start < 100.
    """

    name: str
    percent: float = 100.0
    start: float = 0.0

    @classmethod
    def parse(cls, split: object) -> "SplitSpec":
        """Parses "validation", "validation[:25%]" or "validation[25%:]".

        The syntax is that of Hugging Face datasets; of its slices only `[:x%]` and `[x%:]` are
        supported.

        Raises:
            ValueError: If `split` is anything else; the message names the allowed values.
        """
        found = _SYNTAX.fullmatch(split) if isinstance(split, str) else None
        start = float(found["start"] or 0.0) if found else 0.0
        percent = float(found["percent"] or 100.0) - start if found else 0.0
        if found is None or found["name"] not in SPLITS or not 0.0 < percent <= 100.0:
            raise ValueError(f"Got split={split!r}; allowed: {ALLOWED}.")
        return cls(found["name"], percent, start)

    @classmethod
    def from_share(cls, name: str, share: float) -> "SplitSpec":
        """Returns a share of a split, 0 < share <= 1, rounded to a millionth of a percent."""
        return cls(name, round(100.0 * share, 6))

    def __str__(self) -> str:
        if self.start:
            return f"{self.name}[{_digits(self.start)}%:]"
        return self.name if self.percent == 100.0 else f"{self.name}[:{self.digits}%]"

    @property
    def digits(self) -> str:
        """The percentage without trailing zeros: "5", "12.5"."""
        return _digits(self.percent)

    def is_disjoint(self, other: "SplitSpec") -> bool:
        """Returns whether no example can be in both parts."""
        first, second = sorted((self, other), key=lambda part: part.start)
        return first.name != second.name or first.start + first.percent <= second.start

    def select(self, examples: Sequence[T], get_text: Callable[[T], str]) -> list[T]:
        """Returns this percentage of a split's examples, in their original order.

        The examples with the smallest hashes of their texts are selected. The selection is thus
        close to a random sample, does not depend on the order of the file, and a smaller percentage
        is a subset of every larger one. Its size is the nearest whole number, but at least 1. The
        part "[25%:]" has all examples that "[:25%]" does not have.

        Args:
            examples: All examples of the split.
            get_text: Returns the text of an example, which is hashed.

        Raises:
            ValueError: If no example is left for a part that does not begin the split.
        """
        if self.percent == 100.0:
            return list(examples)
        order = sorted(range(len(examples)), key=lambda place: _digest(get_text(examples[place])))
        if not self.start:
            return [examples[place] for place in sorted(order[: _count(order, self.percent)])]
        kept = sorted(order[_count(order, self.start) :])
        if not kept:
            raise ValueError(
                f"Got split={str(self)!r}, but the split has {len(examples)} examples, and the "
                "first part takes all of them; use a smaller first part, or more examples."
            )
        return [examples[place] for place in kept]


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


def _count(examples: Sequence[object], percent: float) -> int:
    """The size of the first part of a split."""
    return max(1, round(len(examples) * percent / 100.0))


def _digits(percent: float) -> str:
    return f"{percent:.6f}".rstrip("0").rstrip(".")


def _digest(text: str) -> bytes:
    # Not Python's `hash`, which differs from process to process.
    return hashlib.sha256(text.encode()).digest()
