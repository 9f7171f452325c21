"""Parts of splits: how they are written, and what they hold in every task."""

import hashlib
import json
import sys
from itertools import pairwise
from types import SimpleNamespace

import pytest

from lm_envs.model.loading import EMBEDDED, locate
from lm_envs.tasks import TASKS, reasoning_gym
from lm_envs.tasks.datasets import read_texts
from lm_envs.tasks.splits import Part
from lm_envs.tokenizer import Tokenizer

TEXTS = [f"text {number}" for number in range(40)]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_folder(locate(EMBEDDED))


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": t, "split": "test"}) + "\n" for t in TEXTS))
    return str(path)


def prompts(task):
    return [tuple(task.example(index).prompt.tolist()) for index in range(task.num_examples)]


def is_subsequence(few, many):
    rest = iter(many)
    return all(one in rest for one in few)


@pytest.mark.parametrize(
    ("split", "count"),
    [("test", 40), ("test[:100%]", 40), ("test[:25%]", 10), ("test[:12.5%]", 5), ("test[:1%]", 1)],
)
def test_a_part_has_that_share_of_the_rows_and_one_at_least(rows, split, count):
    assert len(read_texts(rows, split)) == count


def test_a_part_holds_the_first_rows_by_hash_in_file_order(rows):
    by_hash = sorted(TEXTS, key=lambda text: hashlib.sha256(text.encode()).hexdigest())
    assert read_texts(rows, "test[:25%]") == sorted(by_hash[:10], key=TEXTS.index)


def test_a_part_does_not_depend_on_the_order_of_the_file(rows, tmp_path):
    path = tmp_path / "turned.jsonl"
    path.write_text("".join(json.dumps({"text": t, "split": "test"}) + "\n" for t in TEXTS[::-1]))
    assert read_texts(str(path), "test[:25%]") == read_texts(rows, "test[:25%]")[::-1]


def test_a_smaller_part_is_in_every_larger_one(rows):
    parts = [read_texts(rows, f"test[:{percent}%]") for percent in range(1, 101)]
    for smaller, larger in pairwise(parts):
        assert is_subsequence(smaller, larger)
    assert parts[-1] == TEXTS


@pytest.mark.parametrize(
    "split",
    [
        *("", "dev", "dev[:10%]", "test[:0%]", "test[:101%]", "test[:-5%]", "test[:nan%]"),
        *("test[:10]", "test[10%:]", "test[:]", "test[:1e1%]", "test [:10%]", "test[:10%]\n"),
        "test[:٣%]",
    ],
)
def test_another_slice_is_refused_before_a_file_is_read(split):
    message = (
        r"split='.*'; allowed: 'train', 'validation', 'test', or .* such as 'validation\[:25%\]'"
    )
    with pytest.raises(ValueError, match=message):
        read_texts("missing.jsonl", split)


def test_a_share_is_written_as_it_is_read():
    for share, split in [(0.07, "test[:7%]"), (0.125, "test[:12.5%]"), (1.0, "test")]:
        assert str(Part.of("test", share)) == split
        assert Part.parse(split) == Part.of("test", share)


def test_the_hub_is_asked_for_the_whole_split(monkeypatch):
    asked = []

    def load_dataset(name, split):
        asked.append((name, split))
        return [{"text": text} for text in TEXTS]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert len(read_texts("some/dataset", "validation[:25%]")) == 10
    assert asked == [("some/dataset", "validation")]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_takes_parts(tokenizer, name):
    whole, half, tenth = (
        prompts(TASKS[name](tokenizer, split=f"validation{part}"))
        for part in ("", "[:50%]", "[:10%]")
    )
    assert is_subsequence(tenth, half)
    assert is_subsequence(half, whole)
    assert len(half) == pytest.approx(len(whole) / 2, rel=0.15)  # long examples are left out later
    assert len(tenth) == pytest.approx(len(whole) / 10, rel=0.3, abs=1)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_refuses_what_is_no_part(tokenizer, name):
    with pytest.raises(ValueError, match=r"split='test\[:0%\]'; allowed"):
        TASKS[name](tokenizer, split="test[:0%]")


def test_labels_of_a_part_are_the_actions_of_the_whole(tokenizer):
    few, all_of_them = (
        TASKS["classification"](tokenizer, split=split) for split in ("test[:2%]", "test")
    )
    assert few.options(few.example(0), []) == all_of_them.options(all_of_them.example(0), [])


def test_generated_questions_have_parts(monkeypatch):
    found = [reasoning_gym.Question(text, "1", lambda answer: 1.0) for text in TEXTS]
    monkeypatch.setattr(reasoning_gym, "_generate", lambda dataset, split: found)
    texts = [each.text for each in reasoning_gym.questions("reasoning_gym:sums", "train[:25%]")]
    assert texts == Part.parse("train[:25%]").take(TEXTS, str)
