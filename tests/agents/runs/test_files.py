import json

import pytest

from agents.runs.files import (
    append_jsonl,
    check_writable,
    copy_file,
    write_bytes,
    write_json,
    write_jsonl,
    write_yaml,
)


def test_rows_are_appended_after_those_written(tmp_path):
    path = tmp_path / "log.jsonl"
    write_jsonl(path, [{"step": 1}])
    append_jsonl(path, {"step": 2, "text": "é"})
    assert path.read_text(encoding="utf-8") == '{"step": 1}\n{"step": 2, "text": "é"}\n'


def test_json_refuses_numbers_that_it_cannot_hold_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"reward": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"reward": float("nan")})
    assert json.loads(path.read_text()) == {"reward": 1.0}


def test_bytes_are_written_and_copied_whole(tmp_path):
    write_bytes(tmp_path / "a" / "weights", b"\x00\xff")
    copy_file(tmp_path / "a" / "weights", tmp_path / "b" / "weights")
    assert (tmp_path / "b" / "weights").read_bytes() == b"\x00\xff"
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["weights"]


def test_a_folder_in_which_nothing_can_be_written_is_named_before_the_work(tmp_path):
    """Regression: `agents.evaluate` failed there after all its episodes."""
    check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="where nothing can be written"):
        check_writable(tmp_path / "file" / "folder")


def test_yaml_keeps_the_order_of_keys_and_characters_outside_ascii(tmp_path):
    write_yaml(tmp_path / "config.yaml", {"b": {"name": "é"}, "a": [1, 2]})
    written = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    assert written == "b:\n  name: é\na:\n- 1\n- 2\n"
