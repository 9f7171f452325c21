"""The sections of `python -m benchmarks gpu` in the order of their worth, and their shares of time.

Uses the standard library only: the process of the command line does not import what it measures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MINUTES = 8
"""The budget for which the limits are chosen; another budget scales them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One section.

    Attributes:
        target: "module:function", called with a `Section`.
        limit_s: Most seconds of `MINUTES` minutes. The limits add up to more than that, because
            most sections end before theirs; the last ones get what is left.
    """

    target: str
    limit_s: float


SECTIONS = {
    "machine": Entry("benchmarks.gpu.machine:run", 30),
    "tests": Entry("benchmarks.gpu.checks:run", 160),
    "engine": Entry("benchmarks.gpu.engine:run", 100),
    "environment": Entry("benchmarks.gpu.environment:run", 70),
    "rivals": Entry("benchmarks.gpu.rivals:run", 60),
    "ppo": Entry("benchmarks.gpu.training:ppo", 80),
    "lm_ppo": Entry("benchmarks.gpu.language_model_ppo:run", 90),
    "learning": Entry("benchmarks.gpu.training:learning", 60),
    "profile": Entry("benchmarks.gpu.kernel_profile:run", 30),
    "static_cache": Entry("benchmarks.gpu.rivals:static_cache", 90),
}


def check_names(names: Sequence[str]) -> list[str]:
    """Sections by name in the order of `SECTIONS`; all of them if no name is given.

    Raises:
        ValueError: If a name is not that of a section.
    """
    for name in names:
        if name not in SECTIONS:
            raise ValueError(f"Got --only {name!r}; allowed: {', '.join(SECTIONS)}.")
    return [name for name in SECTIONS if not names or name in names]
