import csv
import sys
from types import SimpleNamespace

import pytest

from lm_envs.tasks.datasets import read_rows, read_texts, resolve_columns
from lm_envs.tasks.splits import split_of


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_embedded_splits_share_no_text():
    splits = [set(read_texts("embedded", split)) for split in ("train", "validation", "test")]
    assert all(splits)
    assert len(set.union(*splits)) == sum(len(texts) for texts in splits)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"text": "one, two", "split": "test"}\n{"text": "x", "split": "train"}\n'),
        ("a.csv", 'text,split\n"one, two",test\nx,train\n'),
        ("a.tsv", "text\tsplit\none, two\ttest\nx\ttrain\n"),
        ("a.csv", b'\xef\xbb\xbftext,split\n"one, two",test\n'),
    ],
)
def test_each_format_returns_the_texts_of_its_split(tmp_path, name, content):
    assert read_texts(write(tmp_path, name, content), "test") == ["one, two"]


def test_a_text_file_is_divided_at_blank_lines_if_there_are_any(tmp_path):
    paragraphs = "\n\n".join(f"paragraph {number}\nsecond line" for number in range(200))
    path = write(tmp_path, "a.txt", paragraphs)
    texts = [text for split in ("train", "validation", "test") for text in read_texts(path, split)]
    assert sorted(texts) == sorted(f"paragraph {number} second line" for number in range(200))
    assert len(read_texts(path, "train")) > 150


def test_a_table_cell_may_have_200_000_characters(tmp_path):
    """Regression: more than 131,072 characters were refused, with a wrong line number."""
    previous_limit = csv.field_size_limit()
    path = write(tmp_path, "a.csv", f"text,split\n{'word ' * 40_000},train\n")
    assert len(read_texts(path, "train")[0]) == 200_000
    assert csv.field_size_limit() == previous_limit


def test_columns_without_a_name_are_ignored(tmp_path):
    assert read_texts(write(tmp_path, "a.csv", "text,split,,\na,train,,\n"), "train") == ["a"]


def test_end_of_text_in_a_file_is_kept_as_characters(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "a<|endoftext|>b", "split": "train"}\n')
    assert read_texts(path, "train") == ["a<|endoftext|>b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "x", "split": "train"}\n{"text": "tr', "broken line at .*line 2"),
        (
            "a.jsonl",
            '{"text": "\\ud800"}\n',
            "lone surrogate in 'text' at .*line 1",
        ),
        ("a.jsonl", "[1]\n", "Got list at .*line 1; allowed: a JSON object"),
        ("a.jsonl", '{"words": "x"}\n', "no column 'text' at .*line 1; it has words"),
        ("a.jsonl", '{"text": [[3]]}\n', r"text=\[3\] at .*line 1; allowed: a text or a number"),
        ("a.jsonl", '{"text": " "}\n', r"left out: 1 with an empty 'text'\)"),
        ("a.jsonl", '{"source": {"en": "x"}}\n', r"it has source\.en\. Name .* by columns={"),
        ("a.csv", "text,split\na,b,c\n", "line 2 with more or fewer cells"),
        ("a.csv", 'text,split\na,train\n"b" c,train\n', "broken table at .*line 3"),
        ("a.csv", "text,split,text\na,train,b\n", "2 columns 'text' in the header of .*a name of"),
        ("a.txt", b"fine\nbad \xff\n", r"not UTF-8 at .*line 2; state .*a\.txt:cp1252"),
        ("a.jsonl", '{"text": "x", "split": "test"}\n', "no text in split 'train'"),
        (
            "a.jsonl",
            '{"text": "x", "split": "eval"}\n',
            "split at .*line 1='eval'; allowed: 'train'",
        ),
    ],
)
def test_malformed_files_are_refused_with_their_line(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        read_texts(write(tmp_path, name, content), "train")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("./missing.jsonl", "Got no file"),
        ("./data.parquet", "Got no file"),
        ("./pyproject.toml", r"allowed: a file ending in \.txt, \.jsonl"),
        ("x" * 5000, "File name too long"),
        ("x" * 5000 + ":cp1252", "File name too long"),
        ("some/hub-dataset", r"pip install lm_envs\[data\]|the hub could not load"),
    ],
)
def test_an_unknown_dataset_is_refused(dataset, message):
    with pytest.raises(ValueError, match=message):
        read_texts(dataset, "train")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="split='dev'; allowed: 'train', 'validation', 'test'"):
        read_texts("embedded", "dev")


def test_columns_that_the_task_does_not_use_are_kept_as_read(tmp_path):
    row = (
        '{"q": "Who?", "a": ["x", "y"], "split": "train", "level": 3, "tags": ["t"], "note": null}'
    )
    (found,) = read_rows(write(tmp_path, "a.jsonl", row), "train", {"text": "q", "target": "a"}, "")
    assert found.texts == {"text": ("Who?",), "target": ("x", "y")}
    assert found.joined_text("target") == "x y"
    assert found.columns == {"level": 3, "tags": ["t"], "note": None}


def test_several_texts_where_one_is_used_are_refused_with_their_line(tmp_path):
    """Regression: all but the first were left out without notice."""
    path = write(tmp_path, "a.jsonl", '{"text": ["First.", "Second."], "split": "train"}\n')
    with pytest.raises(
        ValueError, match=r"2 texts as 'text' at .*line 1; allowed: one text\. Join"
    ):
        read_texts(path, "train")


def test_columns_of_a_table_are_texts_and_need_a_name(tmp_path):
    path = write(tmp_path, "a.csv", "text,split,level,,\na,train,3,,\n")
    (found,) = read_rows(path, "train", {"text": "text"}, "")
    assert found.columns == {"level": "3"}


def test_filters_leave_out_rows_with_another_value_only(tmp_path):
    lines = ('{"text": "a", "kind": "x"}', '{"text": "b", "kind": "y"}', '{"text": "c"}')
    path = write(tmp_path, "a.jsonl", "\n".join(lines))
    rows = read_rows(path, None, {"text": "text"}, "", filters={"kind": "x"})
    assert [row.text("text") for row in rows] == ["a", "c"]
    with pytest.raises(ValueError, match=r"no text in split 'train' of .* with kind='z'"):
        read_rows(
            write(tmp_path, "b.jsonl", lines[0]), "train", {"text": "text"}, "", {"kind": "z"}
        )


def test_columns_are_resolved_by_name_or_refused():
    assert resolve_columns(None, ("a", "b")) == {"a": "a", "b": "b"}
    assert resolve_columns({"b": "c"}, ("a", "b")) == {"a": "a", "b": "c"}
    with pytest.raises(ValueError, match="name in columns='d'; allowed: 'a', 'b'"):
        resolve_columns({"d": "c"}, ("a", "b"))


def test_the_hub_loads_the_whole_split(monkeypatch):
    calls = []

    def load_dataset(name, split):
        calls.append((name, split))
        return [{"text": f"text {number}"} for number in range(40)]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert len(read_texts("some/dataset", "validation[:25%]")) == 10
    assert calls == [("some/dataset", "validation")]


def test_rows_with_an_empty_column_are_left_out_and_counted(tmp_path):
    """Regression: one unanswerable question of SQuAD 2.0, or one blank row, refused the file."""
    lines = (
        '{"q": "a", "a": {"text": ["x"]}}',
        '{"q": "b", "a": {"text": []}}',
        '{"q": "c", "a": null}',
        '{"q": " ", "a": "y"}',
    )
    path = write(tmp_path, "a.jsonl", "\n".join(lines))
    with pytest.warns(UserWarning, match="2 with an empty 'a' and 1 with an empty 'q'"):
        (row,) = read_rows(path, None, {"question": "q", "answer": "a"}, "")
    assert row.texts == {"question": ("a",), "answer": ("x",)}


def test_numbers_and_booleans_are_texts(tmp_path):
    """Regression: the label 1 of a JSONL file was refused, that of a CSV file accepted."""
    lines = '{"text": 1}\n{"text": true}\n{"text": 0.5}\n'
    rows = read_rows(write(tmp_path, "a.jsonl", lines), None, {"text": "text"}, "")
    assert [row.text("text") for row in rows] == ["1", "true", "0.5"]


def test_a_field_of_an_object_is_named_with_a_dot(tmp_path):
    line = '{"translation": {"en": "cat", "fr": "chat"}, "id": 3}'
    columns = {"source": "translation.en", "target": "translation.fr"}
    (row,) = read_rows(write(tmp_path, "a.jsonl", line), None, columns, "")
    assert row.texts == {"source": ("cat",), "target": ("chat",)}
    assert row.columns == {"id": 3}


@pytest.mark.parametrize(
    ("name", "content"), [("a.tsv", "cat\tchat\ndog\tchien\n"), ("a.csv", "cat;chat\ndog;chien\n")]
)
def test_columns_of_a_table_without_a_header_are_numbered(tmp_path, name, content):
    rows = read_rows(write(tmp_path, name, content), None, {"source": "0", "target": "1"}, "")
    assert [row.text("target") for row in rows] == ["chat", "chien"]


def test_other_names_of_splits_are_known(tmp_path):
    lines = "".join(f'{{"text": "{name}", "split": "{name}"}}\n' for name in ("dev", "val", "test"))
    assert read_texts(write(tmp_path, "a.jsonl", lines), "validation") == ["dev", "val"]


def test_an_encoding_behind_the_file_is_that_of_the_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text\nnaïve\n".encode("cp1252"))
    (row,) = read_rows(f"{path}:cp1252", None, {"text": "text"}, "")
    assert row.text("text") == "naïve"


def test_a_split_by_hash_with_one_row_is_a_warning_with_all_sizes(tmp_path):
    """Regression: 44/1/5 of 50 rows, and every policy was judged by one example."""
    for count in range(2, 40):
        lines = "".join(f'{{"text": "text {number}"}}\n' for number in range(count))
        path = write(tmp_path, f"{count}.jsonl", lines)
        if sum(split_of(f"text {number}") == "validation" for number in range(count)) == 1:
            break
    with pytest.warns(UserWarning, match=r"one row in split 'validation' .*\(train \d+, valid"):
        assert len(read_texts(path, "validation")) == 1


def test_a_stated_split_of_one_row_is_no_warning(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "a", "split": "test"}\n')
    assert read_texts(path, "test") == ["a"]
