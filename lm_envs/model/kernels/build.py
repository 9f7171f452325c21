"""Compiles the C++ kernels of `csrc/` on first use and stores the library in the user's cache.

Owns the compiler call and the cache folder, whose files are executed: the folder is private, and a
library is loaded only if it belongs to this user and its content has the SHA-256 in its name.
Knows only the names of the functions in the library. Without a C++ compiler, or with the
environment variable LM_ENVS_NATIVE=0, there is no library, and PyTorch's operations compute the
same more slowly.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import torch

from lm_envs.storage import cache_folder, write_atomically

SWITCH = "LM_ENVS_NATIVE"
"""Environment variable; 0 selects PyTorch's operations."""

FLAGS = ("-O3", "-march=native", "-std=c++17", "-fopenmp", "-fPIC")

REQUIRED = (
    *("embed", "add_norm", "add_norm_to_float", "attend", "attend_int8", "token_logits"),
    *("quantize", "dequantize", "top_k"),
    *("add_rms_norm", "add_rms_norm_to_float", "rotate", "silu_product"),
)
"""Functions that every library has, for each number type; linear layers depend on the processor."""
NUMBER_TYPES = ("float32", "bfloat16")

_CSRC = Path(__file__).with_name("csrc")
_SOURCES = tuple(_CSRC / f"native{part}.cpp" for part in ("", "_attention", "_gated", "_linear"))
_HEADER = _CSRC / "native_vectors.h"


def status() -> str:
    """Which kernels this process uses on a CPU, and the reason if they are PyTorch's."""
    found = library()
    return f"PyTorch's: {found}" if isinstance(found, str) else "own, compiled"


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | str:
    """The compiled library, or the reason why there is none.

    Compiled once for each compiler, processor and source.
    """
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH}=0"
    if os.name != "posix":
        return "they are made for POSIX systems"
    # CXX may hold a launcher or options: "ccache g++", "g++ -m64".
    name, *options = shlex.split(os.environ.get("CXX") or "c++")
    program = shutil.which(name)
    if program is None:
        return f"no C++ compiler was found ({name})"
    compiler = (program, *options)
    try:
        folder, key = _cache_folder(), _cache_key(compiler)
        path = _find(folder, key) or _compile(compiler, folder, key)
        found = ctypes.CDLL(str(path))
    except subprocess.CalledProcessError as error:
        return f"{' '.join(compiler)} failed: {' '.join(error.stderr.split())[:200]}"
    except (OSError, RuntimeError) as error:  # the cache is not writable, or there is no home
        return str(error)
    names = [f"{name}_{kind}" for name in REQUIRED for kind in NUMBER_TYPES]
    missing = [name for name in names if not hasattr(found, name)]
    return f"{path} has no function {missing[0]}; delete it" if missing else found


def _cache_folder() -> Path:
    """Folder of compiled libraries; it must belong to the user, because its files are executed."""
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):  # a link may lead to a folder of another user
        raise PermissionError(f"{folder} is a link or a file; make it a folder")
    if status.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    if stat.S_IMODE(status.st_mode) != 0o700:  # made by hand or under another umask
        folder.chmod(0o700)
    return folder


def _find(folder: Path, key: str) -> Path | None:
    """The stored library for this key; deletes files in its place that must not be loaded."""
    for path in sorted(folder.glob(f"native-{key}-*.so")):
        if _is_own(path) and _file_name(key, path) == path.name:
            return path
        path.unlink(missing_ok=True)
    return None


def _is_own(path: Path) -> bool:
    """Whether this is a file of the user that no other user can write."""
    status = path.lstat()
    is_private = not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and is_private


def _file_name(key: str, library: Path) -> str:
    """Name of a library with the SHA-256 of its content, by which a damaged file is recognized.

    Loading a truncated library ends the process with SIGBUS.
    """
    return f"native-{key}-{hashlib.sha256(library.read_bytes()).hexdigest()}.so"


def _cache_key(compiler: Sequence[str]) -> str:
    """Hash of everything that a compiled library depends on."""
    parts = (*compiler, *FLAGS, platform.platform(), _processor(), torch.__version__)
    sources = b"".join(path.read_bytes() for path in (*_SOURCES, _HEADER))
    return hashlib.sha256("\n".join(parts).encode() + sources).hexdigest()[:16]


def _processor() -> str:
    """The instruction sets that `-march=native` may use; "" where the system does not list them."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _compile(compiler: Sequence[str], cache: Path, key: str) -> Path:
    """Compiles in a temporary folder and stores the library; returns its path in the cache."""
    with tempfile.TemporaryDirectory(dir=cache) as folder, ThreadPoolExecutor() as threads:
        objects = [str(Path(folder) / f"{source.stem}.o") for source in _SOURCES]
        list(threads.map(partial(_compile_source, compiler), _SOURCES, objects))
        linked = Path(folder) / "native.so"
        _run(*compiler, "-shared", *objects, *_openmp(), "-o", str(linked))
        linked.chmod(0o700)  # whatever the umask allows other users
        path = cache / _file_name(key, linked)
        write_atomically(path, lambda temporary: shutil.copy(linked, temporary))
    return path


def _compile_source(compiler: Sequence[str], source: Path, target: str) -> None:
    _run(*compiler, *FLAGS, "-c", str(source), "-o", target)


def _openmp() -> list[str]:
    """PyTorch's own OpenMP library if it ships one: two of them would compete for the cores."""
    folder = Path(torch.__file__).parent
    found = [*folder.glob("lib/libgomp*"), *folder.parent.glob("torch.libs/libgomp*")]
    return [str(found[0])] if found else ["-fopenmp"]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
