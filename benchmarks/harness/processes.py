"""Competitors in processes of their own, where each waits for its turn.

Owns the job of the `throughput` benchmark, the processes and their memory. Knows nothing of clocks.
"""

import contextlib
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.device import peak_bytes, synchronize
from lm_envs.model import loading

GenerateFn = Callable[[int], object]
"""Processes the prompts of all rows and generates the given number of tokens after each."""


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """Prompts and completions that every competitor of `throughput` generates.

    Attributes:
        folder: Checkpoint of the model.
        num_rows: N, texts that are generated together.
        prompt: Tokens of each prompt.
        new: Tokens generated after each prompt.
        dtype: "float32", "bfloat16" or "int8". Competitors without int8 compute in bfloat16.
    """

    folder: Path
    num_rows: int
    prompt: int
    new: int
    dtype: str

    def random_prompts(self) -> np.ndarray:
        """Prompts (N, P) int64 of random tokens; every token costs the same."""
        end_token = loading.read_model_config(self.folder).vocab_size - 1
        return np.random.default_rng(0).integers(1, end_token, (self.num_rows, self.prompt))


class CompetitorProcess:
    """A competitor in a process of its own, with its own threads and memory.

    Args:
        name: Name of the competitor in error messages.
        make: Builds the competitor inside the process. Must be a function of a module, because it
            is pickled by name.
        job: Argument of `make`.
    """

    def __init__(
        self, name: str, make: Callable[[GenerationJob], GenerateFn], job: GenerationJob
    ) -> None:
        self._name = name
        self._connection, self._process = start_process(_serve, make, job, daemon=True)

    def generate(self, num_tokens: int) -> None:
        """Processes all prompts and generates `num_tokens` after each; returns when done.

        Raises:
            RuntimeError: If the process ended.
        """
        self._request(num_tokens)

    def peak_bytes(self) -> int:
        """Peak memory of the process so far, in bytes; see `benchmarks.harness.device`.

        Raises:
            RuntimeError: If the process ended.
        """
        return self._request(None)

    def close(self) -> None:
        """Ends the process."""
        self._connection.close()
        self._process.join()

    def _request(self, num_tokens: int | None) -> Any:  # noqa: ANN401 - as `receive`
        with contextlib.suppress(ConnectionError):  # the process ended; `receive` reports it
            self._connection.send(num_tokens)
        return receive(self._connection, self._name)


def start_process(
    target: Callable[..., None], *arguments: object, daemon: bool = False
) -> tuple[Connection, SpawnProcess]:
    """Calls `target(connection, *arguments)` in a new process.

    Args:
        target: A function of a module, because it is pickled by name.
        arguments: Further arguments, which are pickled.
        daemon: End the process with this one. A daemon cannot start processes of its own.

    Returns:
        The other end of the connection, and the process.
    """
    context = multiprocessing.get_context("spawn")  # a fork of torch's threads may deadlock
    connection, child_connection = context.Pipe()
    process = context.Process(target=target, args=(child_connection, *arguments), daemon=daemon)
    process.start()
    child_connection.close()  # else `receive` would not notice that the process ended
    return connection, process


def receive(connection: Connection, name: str) -> Any:  # noqa: ANN401 - any picklable object
    """Waits for the next object from a process.

    Raises:
        RuntimeError: If the process ended.
    """
    try:
        return connection.recv()
    except (EOFError, ConnectionError):
        raise RuntimeError(f"Got no answer of {name!r}; its error is above.") from None


def _serve(
    connection: Connection, make: Callable[[GenerationJob], GenerateFn], job: GenerationJob
) -> None:
    """Generates for each number of tokens that arrives; sends the peak memory for None."""
    generate = make(job)
    with contextlib.suppress(EOFError):  # the other end closed the connection
        while True:
            num_tokens = connection.recv()
            if num_tokens is None:
                connection.send(peak_bytes())
                continue
            generate(num_tokens)
            synchronize()  # kernels run after `generate` returns
            connection.send(None)
