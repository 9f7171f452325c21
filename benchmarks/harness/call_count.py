"""Counts the Python calls into `lm_envs` during one function call.

Owns the profile hook and the definition of a call. Knows nothing of environments or models.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import lm_envs

ROOT = Path(lm_envs.__file__).parent


@dataclass(frozen=True, slots=True)
class CallCount:
    """Calls of Python functions that are defined in files of `lm_envs`.

    Attributes:
        by_function: Number of calls, 1 or more, by module and qualified name of the function.
    """

    by_function: Mapping[tuple[str, str], int]

    @property
    def num_calls(self) -> int:
        """Number of calls of all functions."""
        return sum(self.by_function.values())

    @property
    def num_functions(self) -> int:
        """Number of distinct functions."""
        return len(self.by_function)

    @property
    def num_files(self) -> int:
        """Number of distinct files; each module is one file."""
        return len({module for module, _ in self.by_function})

    def by_module(self) -> dict[str, "CallCount"]:
        """Counts of each module, the module with the most calls first; ties by name."""
        parts: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
        for (module, function), calls in self.by_function.items():
            parts[module][module, function] = calls
        counts = [(module, CallCount(part)) for module, part in parts.items()]
        return dict(sorted(counts, key=lambda pair: (-pair[1].num_calls, pair[0])))


def count_calls(step: Callable[[], object]) -> CallCount:
    """Calls `step` once and counts the Python calls into `lm_envs` on this thread.

    Counts what Python's profiler reports as a call: functions, methods, properties, each resumption
    of a generator and, in Python 3.11, each list comprehension. Functions in C and functions that
    are generated at import time, such as a dataclass's `__init__`, have no file and do not count.
    """
    prefix = f"{ROOT}/"
    calls: Counter[tuple[str, str]] = Counter()

    def hook(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(prefix):
            calls[file, frame.f_code.co_qualname] += 1

    previous = sys.getprofile()
    sys.setprofile(hook)
    try:
        step()
    finally:
        sys.setprofile(previous)
    return CallCount({(_module_name(file), name): count for (file, name), count in calls.items()})


def _module_name(file: str) -> str:
    """Dotted name of the module in a file of `lm_envs`."""
    parts = Path(file).relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")
