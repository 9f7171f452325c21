import errno
import json
import os
import stat
import subprocess
import sys
import warnings

import numpy as np
import pytest

from lm_envs.storage import (
    cache_folder,
    read_arrays,
    write_arrays,
    write_atomically,
    write_folder_atomically,
)

ARRAYS = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array([True, False])}


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_a_failed_write_of_a_folder_leaves_none(tmp_path):
    def fail(temporary):
        (temporary / "a.txt").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_folder_atomically(tmp_path / "model", fail)
    assert not list(tmp_path.iterdir())


def test_a_folder_appears_with_all_files_and_an_existing_one_is_kept(tmp_path):
    path = tmp_path / "models" / "model"
    for text in ("first", "second"):
        write_folder_atomically(path, lambda new, text=text: (new / "a.txt").write_text(text))
    assert (path / "a.txt").read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_the_folder_of_a_process_that_was_killed_is_deleted(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    abandoned = tmp_path / f".model.{process.pid}.tmp"
    abandoned.mkdir()
    (abandoned / "a.txt").touch()
    write_folder_atomically(tmp_path / "model", lambda new: (new / "a.txt").touch())
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_the_cache_is_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lm_envs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert str(cache_folder()) == "/home/me/.cache/lm_envs"


def test_missing_folders_are_created(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    write_atomically(path, lambda temporary: temporary.write_text("text"))
    assert path.read_text() == "text"
    assert len(list(path.parent.iterdir())) == 1


def test_arrays_and_header_are_loaded_as_written(tmp_path):
    path = tmp_path / "a.safetensors"
    header = {"kind": "pca", "dim": 3}
    write_arrays(path, ARRAYS, header)
    arrays, loaded = read_arrays(path, ["pca"])
    assert loaded == header
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)


def test_a_header_that_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_arrays(tmp_path / "a.safetensors", {}, {"kind": "pca", "dim": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    write_arrays(path, ARRAYS, {"kind": "pca"})
    with pytest.raises(ValueError, match=r"kind in .*='pca'; allowed: 'kmeans'"):
        read_arrays(path, ["kmeans"])


@pytest.mark.parametrize("content", [None, b"", b"no safetensors", json.dumps({}).encode()])
def test_a_missing_or_malformed_file_is_refused(tmp_path, content):
    path = tmp_path / "a.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"which cannot be read .*; allowed: a file of kind"):
        read_arrays(path, ["pca"])


def test_temporary_files_of_killed_processes_are_removed(tmp_path):
    """Regression: each killed save left one behind."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead, alive = (tmp_path / f".a.json.{process}.tmp" for process in (child.pid, os.getppid()))
    other = tmp_path / f".b.json.{child.pid}.tmp"
    for path in (dead, alive, other):
        path.write_text("part")
    write_atomically(tmp_path / "a.json", lambda path: path.write_text("whole"))
    assert sorted(tmp_path.iterdir()) == sorted([alive, other, tmp_path / "a.json"])


def test_a_folder_that_cannot_be_synchronized_is_written_with_one_warning(tmp_path, monkeypatch):
    """Regression: no run could begin where fsync of a folder answers EINVAL."""
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for number in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            write_atomically(tmp_path / "a", lambda path: path.write_text("x"))
        assert len(caught) == 1 - number
    assert (tmp_path / "a").read_text() == "x"
