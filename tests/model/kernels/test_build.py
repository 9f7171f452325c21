import os
import subprocess
import sys

from tests.model.engines import needs_compiler


def status_with(tmp_path, **environment):
    """`build.status()` of a new process with an empty cache folder."""
    code = "from lm_envs.model.kernels import build; print(build.status())"
    values = os.environ | {"XDG_CACHE_HOME": str(tmp_path)} | environment
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=values, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_without_a_compiler_the_status_names_the_reason(tmp_path):
    assert status_with(tmp_path, CXX="no-such-compiler") == "PyTorch's: no C++ compiler was found"
    assert status_with(tmp_path, LM_ENVS_NATIVE="0") == "PyTorch's: LM_ENVS_NATIVE=0"


def test_a_failing_compiler_leaves_no_file(tmp_path):
    assert status_with(tmp_path, CXX="false").startswith("PyTorch's: ")
    assert list((tmp_path / "lm_envs").iterdir()) == []


@needs_compiler
def test_the_library_is_compiled_once(tmp_path):
    assert status_with(tmp_path) == "own, compiled"
    (library,) = (tmp_path / "lm_envs").iterdir()
    before = library.stat().st_mtime_ns
    assert status_with(tmp_path) == "own, compiled"
    assert library.stat().st_mtime_ns == before
