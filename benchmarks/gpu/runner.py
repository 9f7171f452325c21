"""Runs sections in a worker process and replaces it where a section hangs or ends the process.

Uses the standard library only until the worker has started. Owns the limits of time.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

START_S = 120.0
"""Most seconds until a worker has imported everything; the first start on a machine is slow."""

GRACE_S = 10.0
"""Seconds after its deadline after which a section is ended: it may be in its last measurement."""

LEAST_S = 5.0
"""Seconds that have to be left for another section to begin."""

Message = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """Of a whole run.

    Attributes:
        device: "cuda" or "cpu".
        is_small: Whether sizes are tiny.
        budget_s: Seconds for all sections.
        deadline: Value of `time.monotonic()` at which the run has to end.
    """

    device: str
    is_small: bool
    budget_s: float
    deadline: float


def run_sections(
    names: Sequence[str], options: Options, on_message: Callable[[Message], None]
) -> None:
    """Runs sections in order and passes on each message of the worker; see `worker`.

    A section that is ended has the message ("end", name, reason), as one that raised has.
    """
    remaining = list(names)
    while remaining:
        if options.deadline - time.monotonic() < LEAST_S:
            for name in remaining:
                on_message(("end", name, "left out: the time of the run is used up"))
            return
        connection, process = _start(remaining, options)
        try:
            reason = _follow(connection, process, remaining, on_message)
        finally:
            _end(process)
        if remaining and reason:
            on_message(("end", remaining.pop(0), reason))


def _start(names: Sequence[str], options: Options) -> tuple[Connection, SpawnProcess]:
    context = multiprocessing.get_context("spawn")
    connection, child = context.Pipe(duplex=False)
    arguments = (child, names, options.device, options.is_small, options.budget_s, options.deadline)
    process = context.Process(target=_work, args=arguments)
    process.start()
    child.close()  # else a worker that ended would not be noticed
    return connection, process


def _work(*arguments: Any) -> None:  # noqa: ANN401 - those of `work`
    from benchmarks.gpu.worker import work  # imports torch, which this process does without

    work(*arguments)


def _follow(
    connection: Connection,
    process: SpawnProcess,
    remaining: list[str],
    on_message: Callable[[Message], None],
) -> str | None:
    """Passes messages on, removes ended sections from `remaining`.

    Returns:
        Why the first of the remaining sections has to be given up; None if it may begin in another
        process.
    """
    is_between, end = False, time.monotonic() + START_S
    while remaining:
        try:
            if not connection.poll(max(0.0, end + GRACE_S - time.monotonic())):
                return "ended: its time was used up"
            message = connection.recv()
        except (EOFError, ConnectionError):
            process.join()
            return None if is_between else f"its process ended with code {process.exitcode}"
        on_message(message)
        if message[0] == "begin":
            is_between, end = False, message[2]
        elif message[0] == "end":
            remaining.remove(message[1])
            is_between, end = True, time.monotonic() + START_S
    return None


def _end(process: SpawnProcess) -> None:
    """Ends a worker and all processes that it started."""
    assert process.pid is not None
    if process.is_alive() and os.getpgid(process.pid) == process.pid:
        os.killpg(process.pid, signal.SIGKILL)
    elif process.is_alive():
        process.kill()  # it has not yet become the leader of a group
    process.join()
