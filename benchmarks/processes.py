"""Contestants of a benchmark, each in a process of its own, where it waits for its turn.

Owns what a contestant is asked for, the processes and their memory. Knows nothing of clocks.
"""

import multiprocessing
import resource
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch

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


class Contestant:
    """A writer in a process of its own, so that its threads and memory are not the others'.

    Args:
        make: Makes the writer, in its process; a function of a module.
        job: What for.
    """

    def __init__(self, make: Callable[[Job], Writer], job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, job), daemon=True)
        self._process.start()
        theirs.close()

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

    def _ask(self, words: int | None) -> int:
        try:
            self._connection.send(words)
            return self._connection.recv()
        except (EOFError, BrokenPipeError):
            raise RuntimeError("Got no answer of a contestant; its error is above.") from None


def peak_bytes() -> int:
    """Most memory that this process held so far."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = (int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return 1024 * next(found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _serve(connection: Connection, make: Callable[[Job], Writer], job: Job) -> None:
    """Writes once for every number of words, and answers when done."""
    write = make(job)
    while True:
        try:
            words = connection.recv()
        except EOFError:  # nothing more is asked
            return
        if words is not None:
            write(words)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        connection.send(peak_bytes())
