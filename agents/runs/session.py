"""Exclusive use of a run folder by one process, and requests to stop it.

Owns the lock file and the handlers of SIGINT and SIGTERM during a run. The system releases the lock
when the process ends, also by a kill. Knows nothing of what a run writes.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Self

from filelock import FileLock, Timeout

from agents.config.loading import Interrupted, UserError
from lm_envs.storage import remove_temporary_files

LOCK = ".lock"
"""File of a run folder; it stays there when the lock is released."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RunSession:
    """Locks a run folder and turns signals into requests, from `__enter__` to `__exit__`.

    A run stops where its state can be saved: between an update and the next rollout. A second
    signal ends it at once. Signals are handled in the main thread only, and those that the process
    ignores (SIGINT under nohup) stay ignored.

    Args:
        folder: Of the run; made if it does not exist.
        handles_signals: Whether signals become requests; otherwise they end the process as usual.

    Raises:
        UserError: If another process uses the folder.
    """

    def __init__(self, folder: Path, *, handles_signals: bool = True) -> None:
        self._folder, self._handles_signals = folder, handles_signals
        self._lock = FileLock(folder / LOCK, timeout=0)
        self._lock_inode = 0
        self._signal: int | None = None
        self._handlers = ExitStack()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        if (self._folder / LOCK).is_symlink():
            raise UserError(f"Got a link in a run folder, {self._folder / LOCK}; remove it.")
        try:
            self._lock.acquire()
        except Timeout:
            raise UserError(
                f"Got {self._folder}, which another process is writing; wait for it, stop it, or "
                "begin another run under another name."
            ) from None
        self._lock_inode = (self._folder / LOCK).stat().st_ino
        self._refuse_links()
        # Only killed processes can have left them, since this one holds the lock.
        remove_temporary_files(self._folder)
        if self._handles_signals:
            self._handlers.enter_context(_handled_by(self._request))
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._handlers.close()
        self._lock.release()
        if kind is not None and issubclass(kind, OSError):
            self.check_folder()  # a log may be written before the next check

    @property
    def is_stopping(self) -> bool:
        """Whether a signal asked the run to stop."""
        return self._signal is not None

    def check_folder(self) -> None:
        """Checks that the folder is still the one that was locked.

        Raises:
            UserError: If it was deleted, moved or replaced.
        """
        try:
            is_same = (self._folder / LOCK).stat().st_ino == self._lock_inode
        except FileNotFoundError:
            is_same = False
        if not is_same:
            raise UserError(
                f"Got no {self._folder}: the folder was deleted, moved or replaced during the run. "
                "The run has stopped and writes nothing more; begin it again."
            ) from None

    def stop_if_asked(self, step: int | None = None) -> None:
        """Ends the run if a signal asked for it.

        Args:
            step: Of the checkpoint that was just written; None if there is none yet.

        Raises:
            Interrupted: If a signal arrived; the message names the checkpoint and the remedy.
        """
        if self._signal is None:
            return
        saved = "before its first checkpoint; repeat the command with --resume to start it again"
        if step is not None:
            saved = f"with a checkpoint of step {step}; repeat the command with --resume to go on"
        raise Interrupted(f"Stopped {self._folder} {saved}.", self._signal)

    def _refuse_links(self) -> None:
        """Checks that no file of the folder is a link, by which a run would write elsewhere."""
        for path in self._folder.rglob("*"):
            if path.is_symlink():
                self._lock.release()
                raise UserError(f"Got a link in a run folder, {path}; remove it, or copy its file.")

    def _request(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self._signal is not None:
            raise Interrupted(
                f"Stopped {self._folder} at once by a second signal; repeat the command with "
                "--resume to go on from its last checkpoint.",
                number,
            )
        self._signal = number
        # Not print: a handler may run while the main program holds the stream's buffer.
        text = f"\nGot {name}: the run stops after this update and prints what it saved. "
        os.write(2, f"{text}Another one stops it at once, without saving.\n".encode())


@contextmanager
def stopped_at_once(message: str) -> Iterator[None]:
    """Turns SIGINT and SIGTERM into `Interrupted`, for work that has nothing to save.

    Args:
        message: What is left, and how to continue.

    Raises:
        Interrupted: If a signal arrives.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(message, number)

    with _handled_by(stop):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handles the signals that are not ignored; none outside the main thread."""
    numbers = _SIGNALS if threading.current_thread() is threading.main_thread() else ()
    heeded = [each for each in numbers if signal.getsignal(each) is not signal.SIG_IGN]
    former = {each: signal.signal(each, handler) for each in heeded}
    try:
        yield
    finally:
        for number, each in former.items():
            signal.signal(number, each)
