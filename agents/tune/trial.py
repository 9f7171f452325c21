"""One trial: a training run in a process of its own, watched while it learns.

A process of its own, because a run that needs too much memory or crashes then fails alone, and what
it allocated is released. It is forked from a server that has imported everything and computed
nothing, so that it starts within a fraction of a second. A signal stops it as Ctrl-C stops
`agents.train`: after its update, with a checkpoint. Knows nothing of optuna.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from filelock import FileLock

from agents.config.loading import Interrupted
from agents.config.train import TrainConfig
from agents.runs import logs
from agents.runs.session import LOCK
from lm_envs.validation import first_line

POLL_S = 0.2
"""Seconds between two looks at the metrics of a run; an evaluation takes longer."""

LAST_CHECKPOINT_S = 600
"""Seconds in which a run whose study was killed has to end its update and to write a checkpoint."""


class TrialFailedError(RuntimeError):
    """A run that ended without a result; the message is one line."""


def run_trial(
    config: TrainConfig,
    runs: Path,
    is_hopeless: Callable[[int, float], bool],
    *,
    trust_imports: bool = False,
) -> float | None:
    """Trains in another process, which stops at a checkpoint if this one ends.

    Args:
        config: Of the run. If its folder exists, the run continues from its checkpoint.
        runs: Parent of the run folder, and of its output, `<name>.log`.
        is_hopeless: Gets the number of an evaluation, from 1, and its held-out reward, while the
            run goes on; returns whether to stop it. Not called for the untrained agent.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Returns:
        The last held-out reward; None if the run was stopped.

    Raises:
        TrialFailedError: If the run failed, or its process was killed.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["agents.train"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_train, args=(config, runs, trust_imports, sender), daemon=True
    )
    process.start()
    sender.close()  # otherwise reading would wait for this process's own copy
    try:
        if _watch(process, runs / config.folder_name, is_hopeless):
            return None
    finally:
        _stop(process)
    return _received(receiver, process.exitcode)


def _received(receiver: Connection, code: int | None) -> float:
    """Returns the reward that an ended process sent, or raises its error."""
    try:
        reward, error = receiver.recv()
    except EOFError:
        reward, error = 0.0, _death(code)
    if error:
        raise TrialFailedError(error)
    return reward


def _watch(
    process: ForkServerProcess, folder: Path, is_hopeless: Callable[[int, float], bool]
) -> bool:
    """Waits for a run; returns whether it is to be stopped before its end."""
    number = 0
    while True:
        is_alive = process.is_alive()  # before the log is read, so that no last row is missed
        trained = [row for row in logs.read_metrics(folder) if row["step"] and "held_out" in row]
        for row in trained[number:]:
            number += 1
            if is_hopeless(number, row["held_out"]["reward"]) and is_alive:
                return True
        if not is_alive:
            return False
        process.join(POLL_S)


def _stop(process: ForkServerProcess) -> None:
    """Ends a run as Ctrl-C does, and waits for its checkpoint."""
    if process.is_alive():
        process.terminate()
    process.join()


def _train(config: TrainConfig, runs: Path, trust_imports: bool, sender: Connection) -> None:
    """Runs in the other process: trains, and sends the reward or one line about the error."""
    output = os.open(runs / f"{config.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    from agents.train import train  # of the server's memory: imported before the fork

    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        resume = (folder := runs / config.folder_name).is_dir()
        if resume:  # an attempt whose study was killed may be writing its checkpoint
            with FileLock(folder / LOCK, timeout=LAST_CHECKPOINT_S):
                pass
        result = train(config, runs, resume=resume, trust_imports=trust_imports)
        sender.send((result["held_out_reward"], ""))
    except Interrupted as stopped:
        sender.send((None, str(stopped)))
    except Exception as error:  # whatever failed, the study goes on and the trial names it
        traceback.print_exc()
        sender.send((None, f"{type(error).__name__}: {first_line(error)}"))


def _stop_with_parent() -> None:
    """Waits for the end of the study's process, and then stops this one as Ctrl-C does.

    Without it, the run of a study that was killed would go on beside the one that continues it.
    """
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _death(code: int | None) -> str:
    """Returns one line on a process that ended without a result."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"its process was killed by {name}; SIGKILL often means too little memory"
    return f"its process ended with code {code} and no result"
