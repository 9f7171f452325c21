"""Kernels of our own for CPUs, compiled from `native*.cpp` on first use.

Owns where the compiled library lives and who may ask for it. Without a C++ compiler, or where
LM_ENVS_NATIVE=0 is set, there are none, and PyTorch's operations do the same more slowly.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from lm_envs.model.kernels.packed_linear import PackedInt8Linear, PackedLinear, pointers_of
from lm_envs.model.kv_cache import KVCache
from lm_envs.model.logits import TopTokens

LANES = 16
"""Sizes of heads and hidden states are multiples of this, or PyTorch does the work."""

SWITCH = "LM_ENVS_NATIVE"
"""Environment variable; 0 for PyTorch's operations only."""

FLAGS = ("-O3", "-march=native", "-std=c++17", "-fopenmp", "-fPIC")
_CSRC = Path(__file__).with_name("csrc")
_PARTS = ("", "_attention", "_products")
_SOURCES = tuple(_CSRC / f"native{part}.cpp" for part in _PARTS)
_HEADER = _CSRC / "native_vectors.h"
_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
_PARAMETERS = {
    "embed": "pppppnnnni",
    "add_norm": "ppppfpnni",
    "add_norm_to_float": "ppppfpnni",
    "attend": "pppnpppppnnnnni",
    "attend_to_codes": "pppnpppppppnnnnni",
    "read": "pppppnnnni",
    "quantize": "pppnni",
    "dequantize": "pppipnni",
    "best": "ppppinpppnnnni",
}
"""Types of each function's arguments: pointer, size (64 bits), int, float."""
_PRODUCTS = {"product": "pppipnnni", "product_of_codes": "ppppppipnnni"}
"""The same of functions that the library has where the processor has instructions for them."""
_FOLLOWS_INDICES = ("embed", "attend", "attend_to_codes", "read")
"""Functions that return how many indices were out of range."""
_TYPES = {"p": ctypes.c_void_p, "n": ctypes.c_int64, "i": ctypes.c_int, "f": ctypes.c_float}


class NativeKernels:
    """The kernels for one type of linears; see `lm_envs.model.kernels.base.Kernels`.

    Args:
        library: What `native*.cpp` were compiled to.
        dtype: float32 or bfloat16.
    """

    longest_prompt = 128
    """Beyond it PyTorch's attention is faster, in which queries share what they read."""

    def __init__(self, library: ctypes.CDLL, dtype: torch.dtype) -> None:
        functions = {
            name: _typed(library[f"{name}_{_NAMES[dtype]}"], name, parameters)
            for name, parameters in _PARAMETERS.items()
        }
        self._product = _product(library, "product", dtype)
        self._product_of_codes = _product(library, "product_of_codes", dtype)
        self._embed = functions["embed"]
        self._attend = {dtype: functions["attend"], torch.int8: functions["attend_to_codes"]}
        self._add_norm = {dtype: functions["add_norm"]}
        self._add_norm.setdefault(torch.float32, functions["add_norm_to_float"])
        self._read, self._best = functions["read"], functions["best"]
        self._quantize, self._dequantize = functions["quantize"], functions["dequantize"]

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool, int8: bool
    ) -> PackedLinear | PackedInt8Linear | None:
        """As `Kernels` says."""
        if int8 and self._product_of_codes:
            return PackedInt8Linear(self._product_of_codes, self.quantize, weight, bias, gelu=gelu)
        if not int8 and self._product:
            return PackedLinear(self._product, weight, bias, gelu=gelu)
        return None

    def embed(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        words: torch.Tensor,
        places: torch.Tensor,
    ) -> torch.Tensor:
        """As `Kernels` says."""
        x = places.new_empty(len(tokens), places.shape[1])
        inputs = (tokens.contiguous(), positions.contiguous(), words, places)
        sizes = (*x.shape, len(words), len(places))
        _require_none(self._embed(*pointers_of(*inputs, x), *sizes, torch.get_num_threads()))
        return x

    def add_norm(
        self,
        x: torch.Tensor,
        y: torch.Tensor | None,
        norm: tuple[torch.Tensor, torch.Tensor, float],
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """As `Kernels` says."""
        gain, bias, epsilon = norm
        out = torch.empty_like(x, dtype=dtype)
        added = None if y is None else y.contiguous()  # held here until the kernel has read it
        pointers, threads = pointers_of(x, added, gain, bias), torch.get_num_threads()
        self._add_norm[dtype](*pointers, epsilon, out.data_ptr(), *x.shape, threads)
        return out

    def decode(self, slots: KVCache, positions: torch.Tensor, context_len: int) -> "Read":
        """As `Kernels` says."""
        return Read(self._attend[slots.dtype], slots, None, positions)

    def extend(
        self,
        slots: KVCache,
        rows: torch.Tensor,
        starts: torch.Tensor,
        sizes: torch.Tensor,
        context_len: int,
    ) -> "Read":
        """As `Kernels` says."""
        before = sizes.cumsum(0) - sizes
        positions = torch.arange(int(sizes.sum())) + (starts - before).repeat_interleave(sizes)
        kernel = self._attend[slots.dtype]
        return Read(kernel, slots, rows.repeat_interleave(sizes), positions)

    def read(
        self,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        words: torch.Tensor,
    ) -> torch.Tensor:
        """As `Kernels` says."""
        hidden, words = hidden.contiguous(), words.contiguous()
        logits = torch.empty_like(words, dtype=torch.float32)
        pointers = pointers_of(hidden, embeddings, center, words, logits)
        sizes = (*hidden.shape, len(embeddings), words.shape[1])
        _require_none(self._read(*pointers, *sizes, torch.get_num_threads()))
        return logits

    def quantize(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Kernels` says."""
        x = x.contiguous()
        codes, scales = torch.empty_like(x, dtype=torch.uint8), torch.empty(len(x))
        self._quantize(*pointers_of(x, codes, scales), *x.shape, torch.get_num_threads())
        return codes, scales

    def dequantize(
        self,
        sums: torch.Tensor,
        scales: torch.Tensor,
        bias: torch.Tensor | None,
        *,
        gelu: bool,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """As `Kernels` says."""
        out = torch.empty_like(sums, dtype=dtype)
        pointers = pointers_of(sums, scales, bias)
        threads = torch.get_num_threads()
        self._dequantize(*pointers, gelu, out.data_ptr(), *sums.shape, threads)
        return out

    def best(
        self,
        logits: torch.Tensor,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        center: torch.Tensor | None,
        count: int,
        always: int,
    ) -> TopTokens:
        """As `Kernels` says."""
        logits, hidden = logits.contiguous(), hidden.contiguous()
        num_rows, num_words = logits.shape
        found = TopTokens(
            torch.empty(num_rows, count, dtype=torch.int64),
            torch.empty(num_rows, count),
            torch.empty(num_rows),
        )
        self._best(
            *pointers_of(logits, hidden, embeddings, center),
            center is None,
            always,
            *pointers_of(*found),
            *(num_rows, num_words, hidden.shape[1], count),
            torch.get_num_threads(),
        )
        return found


class Read:
    """Attention of new tokens to their rows' slots, each up to and with itself.

    Args:
        attend: The kernel; returns how many rows or positions are out of range.
        slots: Where keys and values context_len; the tokens' are written first.
        rows: (M,) int64 whose slot; None where token i is of row i.
        positions: (M,) int64.
    """

    def __init__(
        self,
        attend: Callable[..., int],
        slots: KVCache,
        rows: torch.Tensor | None,
        positions: torch.Tensor,
    ) -> None:
        self._attend, self._slots = attend, slots
        self._rows, self._positions = rows, positions.contiguous()

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(M, H, d) queries, keys and values -> (M, D)."""
        num_tokens, num_heads, size = queries.shape
        out = queries.new_empty(num_tokens, num_heads * size)
        broken = self._attend(
            *pointers_of(queries, keys, values),
            queries.stride(0),
            *pointers_of(*self._slots.parts(layer), self._rows, self._positions, out),
            *(num_tokens, self._slots.num_rows, num_heads, size, self._slots.capacity),
            torch.get_num_threads(),
        )
        _require_none(broken)
        return out


def _typed(function: Any, name: str, parameters: str) -> Any:  # noqa: ANN401 - of ctypes
    function.argtypes = [_TYPES[letter] for letter in parameters]
    function.restype = ctypes.c_int if name in _FOLLOWS_INDICES else None
    return function


def _product(library: ctypes.CDLL, name: str, dtype: torch.dtype) -> Any:  # noqa: ANN401
    """One of `_PRODUCTS` for a type; None where the library has none."""
    symbol = f"{name}_{_NAMES[dtype]}"
    return _typed(library[symbol], name, _PRODUCTS[name]) if hasattr(library, symbol) else None


def kernels(dtype: torch.dtype) -> NativeKernels | None:
    """Kernels for this type of linears; None where there is no library."""
    found = library()
    return NativeKernels(found, dtype) if isinstance(found, ctypes.CDLL) else None


def status() -> str:
    """Whose kernels a CPU gets in this process, and why not ours."""
    found = library()
    return f"PyTorch's: {found}" if isinstance(found, str) else "own, compiled"


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | str:
    """What `native*.cpp` compile to on this machine; or why there is none.

    Compiled once for each compiler, processor and source, in a folder of the user's cache.
    """
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH}=0"
    if os.name != "posix":
        return "they are made for POSIX systems"
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        return "no C++ compiler was found"
    try:
        path = _folder() / f"native-{_key(compiler)}.so"
        if not path.is_file():
            _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except subprocess.CalledProcessError as error:
        return f"{compiler} failed: {' '.join(error.stderr.split())[:200]}"
    except (OSError, RuntimeError) as error:  # no place to write, or no home
        return str(error)


def _folder() -> Path:
    """Where compiled kernels are kept: the user's own, for what lies there is executed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "lm_envs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder


def _key(compiler: str) -> str:
    """Tells apart what must not share a library."""
    parts = (compiler, *FLAGS, platform.platform(), _processor(), torch.__version__)
    sources = b"".join(path.read_bytes() for path in (*_SOURCES, _HEADER))
    return hashlib.sha256("\n".join(parts).encode() + sources).hexdigest()[:16]


def _processor() -> str:
    """The instructions that `-march=native` may use, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _compile(compiler: str, path: Path) -> None:
    """Compiles to a file of its own and renames it, so that processes never see half of one."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = [str(Path(folder) / f"{source.stem}.o") for source in _SOURCES]
        for source, target in zip(_SOURCES, made, strict=True):
            _run(compiler, *FLAGS, "-c", str(source), "-o", target)
        linked = Path(folder) / path.name
        _run(compiler, "-shared", *made, *_openmp(), "-o", str(linked))
        os.replace(linked, path)


def _openmp() -> list[str]:
    """PyTorch's own OpenMP where it carries one: two of them would fight for the cores."""
    folder = Path(torch.__file__).parent
    found = [*folder.glob("lib/libgomp*"), *folder.parent.glob("torch.libs/libgomp*")]
    return [str(found[0])] if found else ["-fopenmp"]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _require_none(broken: int) -> None:
    if broken:
        raise IndexError(f"Got {broken} words or positions that the model has no place for.")
