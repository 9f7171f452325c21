"""Examines an installation: versions, device, kernels, caches, extras, and a self-test.

Owns what is examined and how it is worded. The self-test runs in processes of its own, because
the kernels of a process are chosen once.
"""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator

from lm_envs.command import probe
from lm_envs.storage import cache_folder

PACKAGES = ("gymnasium", "torch", "numpy", "transformers", "stable-baselines3", "sb3-contrib")
LARGEST_DIFFERENCE = 2e-4
"""Between the numbers of two kernels in float32: rounding of sums in another order."""

_DEVELOPMENT = "dev"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Finding(NamedTuple):
    """One line of the examination.

    Attributes:
        name: What was examined.
        text: What was found.
        is_fault: Whether the library cannot work like this.
    """

    name: str
    text: str
    is_fault: bool = False


def examine(model: str) -> Iterator[tuple[str, list[Finding]]]:
    """Yields the sections of the examination: title and findings.

    Args:
        model: Of the self-test: "embedded", a folder, or a hub name.
    """
    # PyTorch takes a second to import, which `lm_envs --help` and `--version` need not wait for.
    from lm_envs.model import hardware

    yield "Versions", _versions()
    yield "Computation", [Finding(*item) for item in hardware.describe().items()]
    yield "Caches", _caches()
    yield "Extras", _extras()
    yield "Self-test", _self_test(model)


def first_sentence(env_id: str) -> str:
    """First line of the documentation of a registered environment; "" if it has none."""
    entry = gym.registry[env_id].entry_point
    if isinstance(entry, str):
        if entry.endswith(":LanguageEnv"):  # made by `register`: the task speaks for it
            return str(gym.registry[env_id].kwargs.get("task", ""))
        entry = load_env_creator(entry)
    return (entry.__doc__ or "").strip().partition("\n")[0] if entry is not None else ""


def _versions() -> list[Finding]:
    found = [Finding("python", platform.python_version())]
    try:
        own = metadata.version("lm_envs")
    except metadata.PackageNotFoundError:
        own = "a checkout that is not installed"
    return [Finding("lm_envs", own), *found, *(Finding(name, _version(name)) for name in PACKAGES)]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _caches() -> list[Finding]:
    own = cache_folder()
    hub = Path(os.environ.get("HF_HOME") or own.parent / "huggingface")
    return [Finding("lm_envs", _size(own)), Finding("Hugging Face", _size(hub))]


def _size(folder: Path) -> str:
    """Path of a folder and its size, MB."""
    if not folder.is_dir():
        return f"{folder} (does not exist yet)"
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return f"{folder} ({sum(path.stat().st_size for path in files) / 1e6:,.1f} MB)"


def _extras() -> list[Finding]:
    """For each extra: installed, or the packages that are missing and the line that adds them."""
    try:
        about = metadata.metadata("lm_envs")
    except metadata.PackageNotFoundError:
        return [Finding("extras", "unknown: install the package with `pip install -e .`")]
    findings = []
    for extra in about.get_all("Provides-Extra") or []:
        if extra == _DEVELOPMENT:
            continue
        missing = [name for name in _packages(extra) if _version(name) == "not installed"]
        line = f"without {', '.join(missing)}; pip install 'lm_envs[{extra}]'"
        findings.append(Finding(extra, line if missing else "installed"))
    return findings


def _packages(extra: str) -> list[str]:
    marker = re.compile(rf"extra == ['\"]{re.escape(extra)}['\"]")
    names = [
        _NAME.match(text) for text in metadata.requires("lm_envs") or [] if marker.search(text)
    ]
    return [match.group() for match in names if match is not None]


def _self_test(model: str) -> list[Finding]:
    try:
        found = _run_probe(model)
        plain = _run_probe(model, LM_ENVS_NATIVE="0", LM_ENVS_DEVICE="cpu")
    except ValueError as error:
        return [Finding("environment", str(error), is_fault=True)]
    rows = _difference(found["row"], found["single"])
    kernels = _difference(found["single"], plain["single"])
    return [
        Finding(
            "rows", f"row 1 of a batch and a single environment: {rows:.1e} apart", rows > 2e-5
        ),
        Finding(
            "kernels",
            f"this process and PyTorch's operations on the CPU: {kernels:.1e} apart",
            kernels > LARGEST_DIFFERENCE,
        ),
    ]


def _run_probe(model: str, **variables: str) -> dict[str, np.ndarray]:
    """Result of `probe` in a new process with these environment variables.

    Raises:
        ValueError: If the process fails, with its last line.
    """
    done = subprocess.run(
        [sys.executable, "-m", probe.__name__, model],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ValueError((done.stderr.strip() or "The process ended.").splitlines()[-1])
    return probe.parse(done.stdout)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Largest absolute difference; infinite if the episodes have different lengths."""
    return float(np.abs(one - other).max()) if one.shape == other.shape else float("inf")
