"""The process that runs sections one after another and sends what they report.

Owns the messages: ("machine", facts), ("begin", name, deadline), ("row", name, row),
("end", name, error or None), and ("unusable", reason) if the device is not there. Knows nothing of
files.
"""

import os
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from pkgutil import resolve_name

import torch

from benchmarks.gpu.registry import MINUTES, SECTIONS
from benchmarks.gpu.section import Section, describe, release_memory
from benchmarks.harness import timing
from lm_envs.validation import first_line


def work(
    connection: Connection,
    names: Sequence[str],
    device: str,
    is_small: bool,
    budget_s: float,
    deadline: float,
) -> None:
    """Runs sections until the deadline.

    Args:
        connection: Receives the messages.
        names: Of sections.
        device: "cuda" or "cpu".
        is_small: Whether sizes are tiny.
        budget_s: Of the whole run; scales the limits of the sections.
        deadline: Value of `time.monotonic()`, which all processes of a machine share.
    """
    os.setsid()  # the processes that a section starts end with this one, as a group
    if device == "cuda" and not torch.cuda.is_available():
        connection.send(("unusable", _reason()))
        return
    connection.send(("machine", timing.machine()))
    for name in names:
        limit_s = SECTIONS[name].limit_s * budget_s / (60 * MINUTES)
        end = min(deadline, time.monotonic() + limit_s)
        connection.send(("begin", name, end))
        section = Section(device, is_small, end, partial(_send_row, connection, name))
        connection.send(("end", name, _run(name, section)))
        if device == "cuda" and _is_broken():
            return  # a new process has a working device again


def _run(name: str, section: Section) -> str | None:
    """Runs a section; returns the description of its error."""
    try:
        resolve_name(SECTIONS[name].target)(section)
    except Exception as error:  # any: the other sections still count
        return describe(error)
    finally:
        release_memory()
    return None


def _send_row(connection: Connection, name: str, row: dict[str, object]) -> None:
    connection.send(("row", name, row))


def _is_broken() -> bool:
    """Whether a failed kernel has left this process without a usable device."""
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def _reason() -> str:
    """Why PyTorch finds no CUDA device."""
    try:
        torch.empty(0, device="cuda")
    except (RuntimeError, AssertionError) as error:
        return first_line(error)
    return "torch.cuda.is_available() is False"
