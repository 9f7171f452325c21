"""Contestants of a benchmark, each in a process of its own, where it waits for its turn.

Owns what a contestant is asked for, the processes and their memory. Knows nothing of clocks.
"""

import contextlib
import multiprocessing
import resource
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness.models import config_of

Writer = Callable[[int], object]
"""Reads the prompts of all rows and writes so many words after each."""


@dataclass(frozen=True, slots=True)
class Job:
    """What all contestants are to do.

    Attributes:
        folder: Of the model.
        num_rows: Texts to write.
        prompt: Tokens of each prompt.
        new: Tokens to write after it.
        dtype: "float32", "bfloat16" or "int8"; the last is bfloat16 to those who have no int8.
    """

    folder: Path
    num_rows: int
    prompt: int
    new: int
    dtype: str

    def prompts(self) -> np.ndarray:
        """Prompts (N, P) int64 of random words; reading them costs what any words cost."""
        last = config_of(self.folder).vocab_size - 1  # the end of text
        return np.random.default_rng(0).integers(1, last, (self.num_rows, self.prompt))


class Contestant:
    """A writer in a process of its own, so that its threads and memory are not the others'.

    Args:
        name: For error messages.
        make: Makes the writer, in its process; a function of a module.
        job: What for.
    """

    def __init__(self, name: str, make: Callable[[Job], Writer], job: Job) -> None:
        self._name = name
        self._connection, self._process = start(_serve, make, job, daemon=True)

    def write(self, words: int) -> None:
        """Lets it read all prompts and write so many words; returns when it has."""
        self._ask(words)

    def peak_bytes(self) -> int:
        """Most memory that its process held so far, Python and libraries included."""
        return self._ask(None)

    def leave(self) -> None:
        """Ends its process."""
        self._connection.close()
        self._process.join()

    def _ask(self, words: int | None) -> Any:  # noqa: ANN401 - as `answer_of`
        with contextlib.suppress(ConnectionError):  # it has ended, as the next line finds
            self._connection.send(words)
        return answer_of(self._connection, self._name)


def start(
    target: Callable[..., None], *arguments: object, daemon: bool = False
) -> tuple[Connection, SpawnProcess]:
    """Calls a function with a connection to here and some arguments, in a process of its own.

    Args:
        target: Of a module.
        arguments: After the connection.
        daemon: End it with this process; it can have no processes of its own then.
    """
    context = multiprocessing.get_context("spawn")
    connection, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=daemon)
    process.start()
    theirs.close()
    return connection, process


def answer_of(connection: Connection, name: str) -> Any:  # noqa: ANN401 - whatever it sends
    """What the process at the other end sends next.

    Raises:
        RuntimeError: If it has ended.
    """
    try:
        return connection.recv()
    except (EOFError, ConnectionError):
        raise RuntimeError(f"Got no answer of {name!r}; its error is above.") from None


def peak_bytes() -> int:
    """Most memory that this process held so far."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = (int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return 1024 * next(found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _serve(connection: Connection, make: Callable[[Job], Writer], job: Job) -> None:
    """Writes for every number of words and answers when done; for None tells its peak memory."""
    write = make(job)
    with contextlib.suppress(EOFError):  # nothing more is asked
        while True:
            words = connection.recv()
            if words is None:
                connection.send(peak_bytes())
                continue
            write(words)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            connection.send(None)
