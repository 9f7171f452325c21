"""Compiles the C++ kernels of `csrc/` on first use and stores the library in the user's cache.

Owns the compiler call and the cache folder. Knows nothing of the functions in the library. Without
a C++ compiler, or with the environment variable LM_ENVS_NATIVE=0, there is no library, and
PyTorch's operations compute the same more slowly.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import torch

SWITCH = "LM_ENVS_NATIVE"
"""Environment variable; 0 selects PyTorch's operations."""

FLAGS = ("-O3", "-march=native", "-std=c++17", "-fopenmp", "-fPIC")

_CSRC = Path(__file__).with_name("csrc")
_SOURCES = tuple(_CSRC / f"{name}.cpp" for name in ("native", "native_attention", "native_linear"))
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
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        return "no C++ compiler was found"
    try:
        path = _cache_folder() / f"native-{_cache_key(compiler)}.so"
        if not path.is_file():
            _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except subprocess.CalledProcessError as error:
        return f"{compiler} failed: {' '.join(error.stderr.split())[:200]}"
    except (OSError, RuntimeError) as error:  # the cache is not writable, or there is no home
        return str(error)


def _cache_folder() -> Path:
    """Folder of compiled libraries; it must belong to the user, because its files are executed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "lm_envs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    return folder


def _cache_key(compiler: str) -> str:
    """Hash of everything that a compiled library depends on."""
    parts = (compiler, *FLAGS, platform.platform(), _processor(), torch.__version__)
    sources = b"".join(path.read_bytes() for path in (*_SOURCES, _HEADER))
    return hashlib.sha256("\n".join(parts).encode() + sources).hexdigest()[:16]


def _processor() -> str:
    """The instruction sets that `-march=native` may use; "" where the system does not list them."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _compile(compiler: str, path: Path) -> None:
    """Compiles to a temporary file and renames it, so that no process loads half a library."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        objects = [str(Path(folder) / f"{source.stem}.o") for source in _SOURCES]
        for source, target in zip(_SOURCES, objects, strict=True):
            _run(compiler, *FLAGS, "-c", str(source), "-o", target)
        linked = Path(folder) / path.name
        _run(compiler, "-shared", *objects, *_openmp(), "-o", str(linked))
        os.replace(linked, path)


def _openmp() -> list[str]:
    """PyTorch's own OpenMP library if it ships one: two of them would compete for the cores."""
    folder = Path(torch.__file__).parent
    found = [*folder.glob("lib/libgomp*"), *folder.parent.glob("torch.libs/libgomp*")]
    return [str(found[0])] if found else ["-fopenmp"]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
