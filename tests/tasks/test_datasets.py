import csv

import pytest

from lm_envs.tasks.datasets import read_texts


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
def test_each_format_gives_the_texts_of_its_split(tmp_path, name, content):
    assert read_texts(write(tmp_path, name, content), "test") == ["one, two"]


def test_a_text_file_is_cut_at_blank_lines_where_there_are_any(tmp_path):
    paragraphs = "\n\n".join(f"paragraph {number}\nsecond line" for number in range(200))
    path = write(tmp_path, "a.txt", paragraphs)
    texts = [text for split in ("train", "validation", "test") for text in read_texts(path, split)]
    assert sorted(texts) == sorted(f"paragraph {number} second line" for number in range(200))
    assert len(read_texts(path, "train")) > 150


def test_a_cell_of_a_table_may_be_as_long_as_a_book(tmp_path):
    """Regression: over 131,072 characters a table was broken, and the line said was another."""
    usual = csv.field_size_limit()
    path = write(tmp_path, "a.csv", f"text,split\n{'word ' * 40_000},train\n")
    assert len(read_texts(path, "train")[0]) == 200_000
    assert csv.field_size_limit() == usual


def test_columns_without_a_name_are_left_alone(tmp_path):
    assert read_texts(write(tmp_path, "a.csv", "text,split,,\na,train,,\n"), "train") == ["a"]


def test_the_end_of_text_in_a_file_is_kept_as_characters(tmp_path):
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
        ("a.jsonl", '{"text": 3}\n', "text=3 at .*line 1"),
        ("a.jsonl", '{"text": " "}\n', "allowed: a text that is not empty"),
        ("a.csv", "text,split\na,b,c\n", "line 2 with more or fewer cells"),
        ("a.csv", 'text,split\na,train\n"b" c,train\n', "broken table at .*line 3"),
        ("a.csv", "text,split,text\na,train,b\n", "2 columns 'text' in the header of .*a name of"),
        ("a.txt", b"fine\nbad \xff\n", "no UTF-8 at .*line 2; save the file as UTF-8"),
        ("a.jsonl", '{"text": "x", "split": "test"}\n', "no text in split 'train'"),
        ("a.jsonl", '{"text": "x", "split": "dev"}\n', "split at .*line 1='dev'; allowed: 'train'"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        read_texts(write(tmp_path, name, content), "train")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("./missing.jsonl", "Got no file"),
        ("./data.parquet", r"allowed: a file ending in \.txt, \.jsonl"),
        ("some/hub-dataset", r"pip install lm_envs\[data\]|the hub did not give"),
    ],
)
def test_an_unknown_dataset_is_refused(dataset, message):
    with pytest.raises(ValueError, match=message):
        read_texts(dataset, "train")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="split='dev'; allowed: 'train', 'validation', 'test'"):
        read_texts("embedded", "dev")
