"""Groups of passages."""

import numpy as np
import pytest

from lm_envs.envs.tuning.passages import PassageGroups
from lm_envs.model import loading
from lm_envs.tasks import TASKS
from lm_envs.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_folder(loading.locate("embedded"))


def groups(tokenizer, size=8, split="train", task="question_answering", **options):
    return PassageGroups(tokenizer, TASKS[task](tokenizer, split=split, **options), size, "those")


def test_no_example_is_in_two_groups(tokenizer):
    made = groups(tokenizer, split="test")
    texts = [t.tobytes() for index in range(made.num_groups) for t in made.group(index).tokens]
    whole = groups(tokenizer, 1, split="test")
    everything = [whole.group(index).tokens[0].tobytes() for index in range(whole.num_groups)]
    assert len(texts) == 8 * made.num_groups
    assert sorted(texts) == sorted(everything[: len(texts)])


def test_references_begin_where_prompts_end(tokenizer):
    passages = groups(tokenizer).group(0)
    texts = [
        (tokenizer.decode(tokens[:start]), tokenizer.decode(tokens[start:]))
        for tokens, start in zip(passages.tokens, passages.starts, strict=True)
    ]
    assert all(prompt.startswith("Question:") and prompt.endswith("Answer:") for prompt, _ in texts)
    assert all(answer.strip() for _, answer in texts)
    assert passages.sizes.sum() == sum(map(len, passages.tokens)) - sum(passages.starts)


def test_halves_are_disjoint_and_complete(tokenizer):
    passages = groups(tokenizer, 9).group(3)
    first, second = passages.halves()
    assert (len(first.tokens), len(second.tokens)) == (5, 4)
    both = sorted(t.tobytes() for t in (*first.tokens, *second.tokens))
    assert both == sorted(t.tobytes() for t in passages.tokens)


def test_examples_without_a_reference_are_in_no_group(tokenizer, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\n\nThe sun is high.\n\nb\n\nThe moon is low.\n")
    made = groups(tokenizer, 2, task="next_word", dataset=str(path))
    assert made.num_groups == 1
    assert all(made.group(0).sizes > 0)
    with pytest.raises(ValueError, match="passages=3 of those; allowed: up to 2"):
        groups(tokenizer, 3, task="next_word", dataset=str(path))


def test_groups_spread_over_the_whole_split(tokenizer):
    made = groups(tokenizer, 4, split="validation")
    whole = groups(tokenizer, 1, split="validation")
    found = [t.tobytes() for t in made.group(1).tokens]
    places = [1 + made.num_groups * number for number in range(4)]
    assert found == [whole.group(place).tokens[0].tobytes() for place in places]
    assert np.diff(places).min() == made.num_groups


def test_with_shared_groups_each_example_begins_one(tokenizer):
    made = PassageGroups(
        tokenizer, TASKS["question_answering"](tokenizer, split="test"), 4, "those", shared=True
    )
    whole = groups(tokenizer, 1, split="test")
    assert made.num_groups == whole.num_groups
    texts = [t.tobytes() for t in made.group(made.num_groups - 1).tokens]
    assert texts[0] == whole.group(whole.num_groups - 1).tokens[0].tobytes()
    assert len(set(texts)) == 4


def test_a_cut_keeps_the_order(tokenizer):
    passages = groups(tokenizer, 5).group(2)
    first, rest = passages.cut(2)
    assert [*first.tokens, *rest.tokens] == [*passages.tokens]
    assert (*first.starts, *rest.starts) == passages.starts
    assert len(first.tokens) == 2
