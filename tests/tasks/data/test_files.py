import gzip
import json
import sys

import pytest

from lm_envs.tasks.data.files import can_read, path_and_encoding, raw_rows


def rows(path):
    assert can_read(path)
    return [row for _, row in raw_rows(path)]


ROWS = [{"text": "a", "label": 1}, {"text": "b", "label": 2}]
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "T",
            "paragraphs": [
                {
                    "context": "Rome is old.",
                    "qas": [
                        {"id": "1", "question": "What is old?", "answers": [{"text": "Rome"}] * 2},
                        {"id": "2", "question": "Who?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ],
}


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson", "a.JSON"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_json_is_read_as_lines_and_as_an_array(tmp_path, name, is_packed):
    is_array = name.lower() == "a.json"
    text = json.dumps(ROWS) if is_array else "\n".join(map(json.dumps, ROWS))
    content = text.encode()
    path = tmp_path / (name + ".gz" * is_packed)
    path.write_bytes(gzip.compress(content) if is_packed else content)
    assert rows(path) == ROWS


def test_json_lines_may_be_named_json(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    assert rows(path) == ROWS


def test_questions_of_squads_own_files_are_rows(tmp_path):
    path = tmp_path / "train-v2.0.json"
    path.write_text(json.dumps(SQUAD))
    found = rows(path)
    assert [row["answer"] for row in found] == [["Rome"], []]
    assert {row["context"] for row in found} == {"Rome is old."}


def test_files_of_a_folder_have_the_split_and_label_of_their_folders(tmp_path):
    for name in ("train/pos/1.txt", "test/neg/2.txt", "3.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a\nb")
    text = {"text": "a b"}
    assert rows(tmp_path) == [
        text,
        text | {"split": "test", "label": "neg"},
        text | {"split": "train", "label": "pos"},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_a_file_states_are_read(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("text;n\né;1\n".encode(encoding))
    assert rows(path) == [{"text": "é", "n": "1"}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"3", "Got int in .*; allowed: an array of objects"),
        ("a.json", b"[3]", "Got int at .*row 1; allowed: a JSON object"),
        ("a.json", b"[" * 100_000, "nested too deeply|recursion"),
        ("a.jsonl", b'{"a":' * 100_000, "broken line at .*line 1"),
        ("a.txt.gz", b"text", "Got a broken .*compress it again"),
        ("a.csv", b"text\n\xe9\n", r"not UTF-8 at .*line 2; state .*dataset='a\.csv:\w+'"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        rows(path)


def test_an_encoding_is_stated_behind_the_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text;n\nПривет, мир;1\n".encode("cp1251"))
    with pytest.raises(ValueError, match="not UTF-8"):
        rows(path)
    found, encoding = path_and_encoding(f"{path}:cp1251")
    assert [row for _, row in raw_rows(found, encoding=encoding)] == [
        {"text": "Привет, мир", "n": "1"}
    ]
    assert path_and_encoding(str(path)) == (path, None)
    with pytest.raises(ValueError, match=r"unknown encoding 'cp99'.*allowed: a codec"):
        path_and_encoding(f"{path}:cp99")
    with pytest.raises(ValueError, match="not a text encoding"):
        list(raw_rows(path, encoding="hex"))


def test_an_encoding_may_stand_behind_a_folder_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (folder := tmp_path / "texts").mkdir()
    assert path_and_encoding("~/texts:cp1252") == (folder, "cp1252")


def test_parquet_is_read_with_its_lists(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    given = [{"text": "a", "labels": ["x", "y"]}, {"text": "b", "labels": []}]
    parquet.write_table(pyarrow.Table.from_pylist(given), path)
    assert rows(path) == given
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"Got an unreadable .*save it again"):
        rows(path)


def test_parquet_without_its_package_names_the_extra(tmp_path, monkeypatch):
    (path := tmp_path / "a.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"needs `pip install lm_envs\[data\]`"):
        rows(path)


def test_a_folder_without_texts_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"without a \.txt file"):
        rows(tmp_path)


def test_a_missing_file_of_texts_that_a_command_writes_names_the_command(tmp_path):
    with pytest.raises(
        ValueError, match=r"Got no file .*agents\.build_dataset messages` writes it"
    ):
        raw_rows(tmp_path / "runs" / "data" / "messages.jsonl")
    with pytest.raises(ValueError, match=r"Got no file .*folder of \.txt files\.$"):
        raw_rows(tmp_path / "messages.jsonl")
