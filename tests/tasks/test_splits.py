"""Parts of splits: their syntax, and their examples in every task."""

import hashlib
import json
from collections import Counter
from itertools import pairwise

import pytest

from lm_envs.tasks import TASKS
from lm_envs.tasks.datasets import read_texts
from lm_envs.tasks.splits import SplitSpec, split_of
from tests.tasks.helpers import embedded_tokenizer, prompts

TEXTS = [f"text {number}" for number in range(40)]


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": t, "split": "test"}) + "\n" for t in TEXTS))
    return str(path)


def is_subsequence(few, many):
    rest = iter(many)
    return all(one in rest for one in few)


@pytest.mark.parametrize(
    ("split", "count"),
    [("test", 40), ("test[:100%]", 40), ("test[:25%]", 10), ("test[:12.5%]", 5), ("test[:1%]", 1)],
)
def test_a_part_has_its_share_of_the_rows_and_at_least_one(rows, split, count):
    assert len(read_texts(rows, split)) == count


def test_a_part_contains_the_first_rows_by_hash_in_file_order(rows):
    by_hash = sorted(TEXTS, key=lambda text: hashlib.sha256(text.encode()).hexdigest())
    assert read_texts(rows, "test[:25%]") == sorted(by_hash[:10], key=TEXTS.index)


def test_a_part_does_not_depend_on_the_order_of_the_file(rows, tmp_path):
    path = tmp_path / "reversed.jsonl"
    path.write_text("".join(json.dumps({"text": t, "split": "test"}) + "\n" for t in TEXTS[::-1]))
    assert read_texts(str(path), "test[:25%]") == read_texts(rows, "test[:25%]")[::-1]


def test_a_smaller_part_is_a_subset_of_every_larger_one(rows):
    parts = [read_texts(rows, f"test[:{percent}%]") for percent in range(1, 101)]
    for smaller, larger in pairwise(parts):
        assert is_subsequence(smaller, larger)
    assert parts[-1] == TEXTS


@pytest.mark.parametrize(
    "split",
    [
        *("", "dev", "dev[:10%]", "test[:0%]", "test[:101%]", "test[:-5%]", "test[:nan%]"),
        *(
            "test[:10]",
            "test[100%:]",
            "test[10%:20%]",
            "test[:]",
            "test[:1e1%]",
            "test [:10%]",
            "test[:10%]\n",
        ),
        "test[:٣%]",
    ],
)
def test_another_slice_is_refused_before_a_file_is_read(split):
    message = (
        r"split='.*'; allowed: 'train', 'validation', 'test', or .* such as 'validation\[:25%\]'"
    )
    with pytest.raises(ValueError, match=message):
        read_texts("missing.jsonl", split)


@pytest.mark.parametrize("percent", [1, 25, 75])
def test_the_rest_of_a_split_has_what_its_first_part_lacks(rows, percent):
    first, rest = (read_texts(rows, f"test[{part}]") for part in (f":{percent}%", f"{percent}%:"))
    assert sorted(first + rest) == sorted(TEXTS)
    assert is_subsequence(rest, TEXTS)
    assert str(SplitSpec.parse(f"test[{percent}%:]")) == f"test[{percent}%:]"


def test_an_empty_rest_is_refused(rows):
    with pytest.raises(ValueError, match=r"split='test\[99%:\]', but the split has 40 examples"):
        read_texts(rows, "test[99%:]")


@pytest.mark.parametrize(
    ("one", "other", "is_disjoint"),
    [
        ("test", "validation", True),
        ("test[:25%]", "test[25%:]", True),
        ("test[30%:]", "test[:25%]", True),
        ("test[:30%]", "test[25%:]", False),
        ("test[:30%]", "test[:25%]", False),
        ("test", "test[25%:]", False),
    ],
)
def test_parts_are_disjoint_if_one_begins_where_the_other_ends(one, other, is_disjoint):
    assert SplitSpec.parse(one).is_disjoint(SplitSpec.parse(other)) is is_disjoint


def test_from_share_and_parse_agree():
    for share, split in [(0.07, "test[:7%]"), (0.125, "test[:12.5%]"), (1.0, "test")]:
        assert str(SplitSpec.from_share("test", share)) == split
        assert SplitSpec.parse(split) == SplitSpec.from_share("test", share)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_accepts_parts(name):
    whole, half, tenth = (
        prompts(TASKS[name](embedded_tokenizer(), split=f"validation{part}"))
        for part in ("", "[:50%]", "[:10%]")
    )
    assert is_subsequence(tenth, half)
    assert is_subsequence(half, whole)
    assert len(half) == pytest.approx(len(whole) / 2, rel=0.15)  # long examples are left out later
    assert len(tenth) == pytest.approx(len(whole) / 10, rel=0.3, abs=1)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_refuses_another_slice(name):
    with pytest.raises(ValueError, match=r"split='test\[:0%\]'; allowed"):
        TASKS[name](embedded_tokenizer(), split="test[:0%]")


@pytest.mark.parametrize("held_out", [0.05, 0.25])
def test_the_hash_holds_out_the_given_shares(held_out):
    found = Counter(split_of(f"text {number}", held_out) for number in range(10_000))
    for split in ("validation", "test"):
        assert found[split] / 10_000 == pytest.approx(held_out, rel=0.1)
    assert sum(found.values()) == 10_000
