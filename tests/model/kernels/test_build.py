import os
import shutil
import stat
import subprocess
import sys

import pytest

from tests.model.engines import needs_compiler

KEEPING_COMPILER = """#!/bin/sh
for target; do :; done
kept="$0-$(basename "$target")"
case "$*" in
*" -c "*) [ -e "$kept" ] && exec cp "$kept" "$target"; c++ "$@" && cp "$target" "$kept" ;;
*) exec c++ "$@" ;;
esac
"""
"""Compiles each source once and keeps the object files; libraries are linked every time."""


def status_with(tmp_path, **environment):
    """`build.status()` of a new process with an empty cache folder."""
    code = "from lm_envs.model.kernels import build; print(build.status())"
    values = os.environ | {"XDG_CACHE_HOME": str(tmp_path)} | environment
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=values, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def script(folder, content):
    """An executable file, in a folder of its own."""
    path = folder / "compiler"
    path.write_text(content)
    path.chmod(0o700)
    return str(path)


def test_without_a_compiler_the_status_names_the_reason(tmp_path):
    assert status_with(tmp_path, CXX="no-such-compiler -O2") == (
        "PyTorch's: no C++ compiler was found (no-such-compiler)"
    )
    assert status_with(tmp_path, LM_ENVS_NATIVE="0") == "PyTorch's: LM_ENVS_NATIVE=0"


def test_a_failing_compiler_leaves_no_file(tmp_path):
    assert status_with(tmp_path, CXX="false").startswith("PyTorch's: ")
    assert list((tmp_path / "lm_envs").iterdir()) == []


@needs_compiler
def test_the_library_is_compiled_once(tmp_path, compiler):
    assert status_with(tmp_path, CXX=compiler) == "own, compiled"
    (library,) = (tmp_path / "lm_envs").iterdir()
    before = library.stat().st_mtime_ns
    assert status_with(tmp_path, CXX=compiler) == "own, compiled"
    assert library.stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    return script(tmp_path_factory.mktemp("compiler"), KEEPING_COMPILER)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory, compiler):
    """A cache with a compiled library, to be copied."""
    folder = tmp_path_factory.mktemp("compiled")
    assert status_with(folder, CXX=compiler) == "own, compiled"
    return folder / "lm_envs"


@pytest.fixture
def cache(compiled, tmp_path):
    return shutil.copytree(compiled, tmp_path / "lm_envs")


@needs_compiler
def test_the_cache_is_private_whatever_the_umask(tmp_path, compiler):
    before = os.umask(0)
    try:
        assert status_with(tmp_path, CXX=compiler) == "own, compiled"
    finally:
        os.umask(before)
    folder = tmp_path / "lm_envs"
    (library,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(library.stat().st_mode) == 0o700


@needs_compiler
@pytest.mark.parametrize("damage", ["truncated", "flipped", "writable", "link"])
def test_a_library_that_is_not_the_compiled_one_is_compiled_again(
    cache, tmp_path, compiler, damage
):
    """Regressions: a planted library was executed, and a truncated one was SIGBUS at each start."""
    (library,) = cache.iterdir()
    content = library.read_bytes()
    changed = {
        "truncated": content[: len(content) // 2],
        "flipped": content[:999] + bytes([content[999] ^ 1]) + content[1000:],
    }
    library.write_bytes(changed.get(damage, content))
    if damage == "writable":
        library.chmod(0o722)
    if damage == "link":
        library.rename(tmp_path / "elsewhere.so")
        library.symlink_to(tmp_path / "elsewhere.so")
    assert status_with(tmp_path, CXX=compiler) == "own, compiled"
    (mended,) = cache.iterdir()
    assert not mended.is_symlink()
    assert stat.S_IMODE(mended.stat().st_mode) == 0o700
    assert len(mended.read_bytes()) == len(content)


@needs_compiler
def test_a_cache_folder_that_is_a_link_is_not_followed(cache, tmp_path, compiler):
    cache.rename(tmp_path / "elsewhere")
    cache.symlink_to(tmp_path / "elsewhere")
    assert "is a link or a file" in status_with(tmp_path, CXX=compiler)


@needs_compiler
@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another user")
@pytest.mark.parametrize("is_folder", [True, False])
def test_nothing_of_another_user_is_loaded(cache, tmp_path, compiler, is_folder):
    (library,) = cache.iterdir()
    os.chown(cache if is_folder else library, 12345, 12345)
    expected = f"PyTorch's: {cache} belongs to another user" if is_folder else "own, compiled"
    assert status_with(tmp_path, CXX=compiler) == expected
    assert is_folder or [path.stat().st_uid for path in cache.iterdir()] == [0]


@needs_compiler
def test_a_folder_that_others_can_write_is_closed(cache, tmp_path, compiler):
    cache.chmod(0o777)
    assert status_with(tmp_path, CXX=compiler) == "own, compiled"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


@needs_compiler
def test_a_library_without_a_function_is_named_and_pytorch_computes(tmp_path, compiler):
    """Regression: a missing function was an AttributeError in the first step."""
    renaming = f"""#!/bin/sh
case "$*" in
*/native.cpp*) exec c++ "$@" -Dtop_k_float32=renamed ;;
*) exec {compiler} "$@" ;;
esac
"""
    status = status_with(tmp_path, CXX=script(tmp_path, renaming))
    assert status.startswith("PyTorch's: ")
    assert "has no function top_k_float32" in status


@needs_compiler
def test_a_compiler_may_have_a_launcher_and_options(tmp_path, compiler):
    """Regression: CXX="ccache g++" gave PyTorch's kernels."""
    assert status_with(tmp_path, CXX=f"env {compiler} -DNDEBUG") == "own, compiled"
