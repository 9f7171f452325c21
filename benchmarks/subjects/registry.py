"""The subjects by name, and the options of the command line that each accepts.

Owns the list of subjects. Knows nothing of tables or files.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.subjects import (
    calls,
    finetune,
    host,
    interfaces,
    precision,
    scaling,
    startup,
    tasks,
    throughput,
    time_shares,
    training,
)

SUBJECTS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "throughput": throughput.run,
    "scaling": scaling.run,
    "startup": startup.run,
    "interfaces": interfaces.run,
    "finetune": finetune.run,
    "precision": precision.run,
    "tasks": tasks.run,
    "training": training.run,
    "profile": time_shares.run,
    "calls": calls.run,
    "host": host.run,
}

ARGUMENTS = {
    "model": "model",
    "n": "rows",
    "prompt": "prompts",
    "dtype": "dtypes",
    "env": "ids",
    "repeats": "repeats",
    "runners": "counts",
    "competitor": "competitors",
}
"""Argument of a subject's `run` for each option of the command line."""


def accepted_options(subject: str) -> list[str]:
    """Options that a subject accepts, because its `run` has the argument."""
    parameters = inspect.signature(SUBJECTS[subject]).parameters
    return [option for option, argument in ARGUMENTS.items() if argument in parameters]


def subjects_accepting(option: str) -> list[str]:
    """Subjects that accept an option."""
    return [subject for subject in SUBJECTS if option in accepted_options(subject)]


def measure(subject: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Runs a subject.

    Args:
        subject: A key of `SUBJECTS`.
        options: Values by option; the subject's defaults replace those that are None.

    Returns:
        A JSON document with a key `rows`.

    Raises:
        ValueError: If the subject would ignore an option.
    """
    given = {option: value for option, value in options.items() if value is not None}
    accepted = accepted_options(subject)
    for option in given:
        if option not in accepted:
            names = ", ".join(f"--{name}" for name in accepted)
            raise ValueError(f"Got --{option} for {subject}, which ignores it; allowed: {names}.")
    return SUBJECTS[subject](**{ARGUMENTS[option]: value for option, value in given.items()})
