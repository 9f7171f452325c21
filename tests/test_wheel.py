"""The wheel and the source distribution: what is in them, and that they work without a checkout.

They are built from a copy of the tracked files, by setuptools in an environment of its own.
"""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import lm_envs

ROOT = Path(__file__).parents[1]
LARGEST_MB = 20
BUILD = "from setuptools import build_meta as b; print(b.build_{kind}({target!r}))"
PTH = "lock.pth"


OUTSIDE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
"""Variables of processes that have to find the installed package, not the checkout."""


def run(*command, cwd):
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=OUTSIDE
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def pip(python):
    """The beginning of a pip command for another environment, which needs no pip of its own."""
    return (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")


def tracked(folder=""):
    return run("git", "ls-files", folder or ".", cwd=ROOT).split("\n")[:-1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment with setuptools alone, whose Python is returned."""
    folder = tmp_path_factory.mktemp("environments") / "build"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=ROOT)
    python = folder / "bin" / "python"
    install = (*pip(python), "setuptools>=77")
    done = subprocess.run(list(map(str, install)), capture_output=True, text=True, env=OUTSIDE)
    if done.returncode:
        pytest.skip("setuptools 77 cannot be installed: no package registry")
    return python


def build(python, kind, source, target):
    output = run(python, "-c", BUILD.format(kind=kind, target=str(target)), cwd=source)
    return target / output.splitlines()[-1]


@pytest.fixture(scope="module")
def built(environment, tmp_path_factory):
    """Wheel and source distribution; the wheel is built from the source distribution."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    for name in tracked():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    sdist = build(environment, "sdist", source, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return build(environment, "wheel", unpacked, folder), sdist


@pytest.fixture(scope="module")
def installed(environment, built):
    """The Python of an environment with the wheel, beside the packages of this one."""
    run(*pip(environment), "--no-deps", built[0], cwd=built[0].parent)
    site = run(environment, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd="/")
    # Path entries of a .pth file come last, and the .pth files in them are not read: neither is
    # the editable install of the checkout.
    (Path(site.strip()) / PTH).write_text(sysconfig.get_path("purelib"))
    return environment


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = {n for n in wheel.namelist() if not n.startswith("lm_envs-")}
        size = sum(info.compress_size for info in wheel.infolist())
    assert names == {name for name in tracked("lm_envs") if (ROOT / name).is_file()}
    assert any(name.endswith("model.safetensors") for name in names)
    assert size < LARGEST_MB * 1e6


def test_the_source_distribution_has_no_tests_and_no_results(built):
    with tarfile.open(built[1]) as archive:
        names = [Path(*Path(name).parts[1:]).as_posix() for name in archive.getnames()]
    assert {"pyproject.toml", "README.md", "LICENSE", "lm_envs/__init__.py"} <= set(names)
    unwanted = ("tests", "agents", "benchmarks", "configs", "runs", "docs")
    assert not [name for name in names if name.split("/")[0] in unwanted]
    assert built[1].stat().st_size < LARGEST_MB * 1e6


def test_the_metadata_name_version_python_license_and_extras(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (path,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        metadata = message_from_string(wheel.read(path).decode())
        (path,) = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
        assert "lm_envs = lm_envs.command.cli:main" in wheel.read(path).decode()
    assert metadata["Name"] == "lm_envs"
    assert metadata["Version"] == lm_envs.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT AND Unicode-3.0"
    extras = set(metadata.get_all("Provides-Extra"))
    assert {"agents", "chat", "explain", "lora", "ray", "tune"} <= extras
    assert metadata["Summary"]
    assert metadata.get_payload().startswith("# ")


def test_the_installed_command_lists_the_environments(installed, tmp_path):
    """Outside the checkout, where `agents` cannot be imported."""
    command = installed.parent / "lm_envs"
    listed = run(command, "envs", cwd=tmp_path)
    assert "lm_envs/NextWord-v0" in listed
    assert run(command, "--version", cwd=tmp_path).strip() == f"lm_envs {lm_envs.__version__}"
    script = (
        "import importlib.util as u; print(u.find_spec('agents'), u.find_spec('lm_envs').origin)"
    )
    found = run(installed, "-c", script, cwd=tmp_path).split()
    assert found[0] == "None"
    assert str(installed.parents[1]) in found[1]


def test_an_episode_runs_on_the_files_of_the_wheel(installed, tmp_path):
    script = (
        "import gymnasium as gym, lm_envs\n"
        "env = gym.make('lm_envs/NextWord-v0', max_new_tokens=2)\n"
        "env.reset(seed=0); env.step(0); print(env.step(0)[2])"
    )
    assert run(installed, "-c", script, cwd=tmp_path).strip() == "True"
