"""Installs the wheels of a folder into a temporary folder, for a machine without a package index.

Uses the standard library only, because it runs before any other import. Owns the order of
`sys.path`: the wheels come first, here and in the processes that are started from here.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

OPTION = "--wheels"


def install_for(arguments: Sequence[str]) -> None:
    """Installs the wheels of the folder that the arguments name, if they name one.

    Exits with code 2 if the folder holds no wheels or pip refuses one.
    """
    for name, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if name == OPTION or name.startswith(f"{OPTION}="):
            _install(Path(name.partition("=")[2] or value))
    # Processes of `agents` and pytest run from here too, where lm_envs need not be installed.
    prepend_to_path(Path.cwd(), is_first=False)


def prepend_to_path(folder: Path, *, is_first: bool = True) -> None:
    """Puts a folder first on the path of the processes to come, and of this one if `is_first`."""
    if is_first:
        sys.path.insert(0, str(folder))
    inherited = os.environ.get("PYTHONPATH")
    paths = [str(folder), inherited] if is_first else [inherited, str(folder)]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)


def _install(folder: Path) -> None:
    files = sorted(str(path) for path in folder.glob("*.whl"))
    if not files:
        sys.exit(_error(f"Got {OPTION} {folder}, which holds no *.whl; give a folder of wheels."))
    target = _temporary_folder()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run([*pip, "--target", str(target), *files], check=False)
    if done.returncode:
        sys.exit(_error(f"pip could not install the wheels of {folder}; its message is above."))
    prepend_to_path(target)


def _temporary_folder() -> Path:
    """A folder that is deleted when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="benchmarks-gpu-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _error(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 2
