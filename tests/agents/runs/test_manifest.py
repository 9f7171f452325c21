import json

import pytest

from agents.config.loading import UserError
from agents.runs import manifest


@pytest.fixture
def path(tmp_path):
    manifest.write_listed(tmp_path / "checkpoint.pt", lambda p: p.write_bytes(b"new"), {"step": 5})
    return tmp_path / "checkpoint.pt"


def test_size_hash_and_facts_are_listed(path):
    assert manifest.facts(path) == {
        "bytes": 3,
        "sha256": manifest.file_hash(path),
        "step": 5,
    }
    manifest.check(path)


def test_the_former_content_passes_after_a_kill_before_the_rename(path):
    """The manifest is replaced first: both contents are listed until the file is replaced."""

    def fail(temporary):
        temporary.write_bytes(b"newest")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        manifest.write_listed(path, fail, {"step": 6})
    manifest.check(path)
    listed = json.loads((path.parent / manifest.MANIFEST).read_text())
    newer = {"bytes": 6, "sha256": "0" * 64, "step": 6}
    listed[path.name].insert(0, newer)
    (path.parent / manifest.MANIFEST).write_text(json.dumps(listed))
    manifest.check(path)
    manifest.write_listed(path, lambda p: p.write_bytes(b"last"), {"step": 7})
    assert len(json.loads((path.parent / manifest.MANIFEST).read_text())[path.name]) == 1


def test_a_folder_that_was_moved_is_not_made_again(path):
    """Regression: a checkpoint that was being written when its folder was moved made another."""
    folder = path.parent

    def move_and_write(temporary):
        temporary.write_bytes(b"newest")
        folder.rename(folder.with_name("elsewhere"))

    with pytest.raises(FileNotFoundError):
        manifest.write_listed(path, move_and_write, {"step": 6})
    with pytest.raises(FileNotFoundError):
        manifest.write_listed(path, lambda p: p.write_bytes(b"newest"), {"step": 6})
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "reason"), [(b"nex", "its SHA-256 is not"), (b"", "it has 0 bytes, but")]
)
def test_another_content_is_damage(path, content, reason):
    path.write_bytes(content)
    with pytest.raises(manifest.DamagedError, match=reason):
        manifest.check(path)


def test_a_file_of_an_older_version_passes(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"old")
    manifest.check(tmp_path / "checkpoint.pt")
    assert manifest.facts(tmp_path / "checkpoint.pt") == {}


def test_the_intact_checkpoint_is_offered(path):
    best = path.with_name("best.pt")
    assert manifest.remedy(path) == "restore it from a copy, or begin another run"
    manifest.write_listed(best, lambda p: p.write_bytes(b"best"), {"step": 3})
    assert manifest.remedy(path) == "best.pt of step 3 is intact, take it by --checkpoint best"
    best.write_bytes(b"bets")
    assert "restore it" in manifest.remedy(path)
    assert "--checkpoint last" in manifest.remedy(best)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"checkpoint.pt": [{}]}', "[" * 10_000])
def test_a_damaged_manifest_is_named(path, content):
    (path.parent / manifest.MANIFEST).write_text(content)
    with pytest.raises(UserError, match=r"Got a damaged .*checkpoints\.json; delete it"):
        manifest.check(path)


@pytest.mark.parametrize("error", [RuntimeError("PytorchStreamWriter failed"), OSError(28, "full")])
def test_a_full_disk_is_one_kind_of_error_and_keeps_the_file(path, error):
    """Regression: torch and safetensors raise errors of their own, which were tracebacks."""

    def fail(temporary):
        temporary.write_bytes(b"par")
        raise error

    with pytest.raises(OSError, match=r"failed|full"):
        manifest.write_listed(path, fail, {"step": 6})
    assert path.read_bytes() == b"new"
    manifest.check(path)
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, manifest.MANIFEST]


def test_only_listed_files_of_the_pattern_are_removed(path):
    names = ("replay-1.safetensors", "replay-2.safetensors")
    for name in names:
        manifest.write_listed(path.with_name(name), lambda p: p.write_bytes(b"x"), {"step": 1})
    path.with_name("replay-mine.safetensors").touch()
    manifest.remove(path.parent, "replay-*.safetensors", keep=names[1])
    left = {each.name for each in path.parent.iterdir()}
    assert left == {path.name, names[1], "replay-mine.safetensors", manifest.MANIFEST}
