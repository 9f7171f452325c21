"""Examples of tasks in groups."""

import numpy as np
import pytest

from lm_envs.model import weights
from lm_envs.tasks.passages import PassageGroups
from lm_envs.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_folder(weights.locate("embedded"))


def groups(tokenizer, size=8, longest=256, task="question_answering", **options):
    return PassageGroups(tokenizer, task, size, longest, options)


def test_no_example_stands_in_two_groups(tokenizer):
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


def test_halves_share_nothing_and_leave_nothing_out(tokenizer):
    passages = groups(tokenizer, 9).group(3)
    first, second = passages.halves()
    assert (len(first.tokens), len(second.tokens)) == (5, 4)
    both = sorted(t.tobytes() for t in (*first.tokens, *second.tokens))
    assert both == sorted(t.tobytes() for t in passages.tokens)


def test_long_texts_are_cut_to_what_the_model_reads(tokenizer):
    passages = groups(tokenizer, longest=10).group(0)
    assert max(map(len, passages.tokens)) == 10
    assert all(1 <= s < len(t) for s, t in zip(passages.starts, passages.tokens, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "poetry"}, "allowed: 'next_word'"),
        ({"size": 0}, "passages=0"),
        ({"size": 5000}, "lower passages"),
        ({"rewards": {"fluency": 1.0}}, "unexpected keyword argument 'rewards'"),
        ({"modus": "extractive"}, "Did you mean 'mode'"),
        ({"split": "exam"}, "split='exam'"),
    ],
)
def test_bad_arguments_are_refused(tokenizer, options, message):
    with pytest.raises(ValueError, match=message):
        groups(tokenizer, **options)


def test_a_group_without_references_is_refused(tokenizer, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\n\nb\n\nc\n")
    with pytest.raises(ValueError, match="none says how it goes on"):
        groups(tokenizer, 2, task="next_word", dataset=str(path)).group(0)


def test_groups_spread_over_the_whole_split(tokenizer):
    made = groups(tokenizer, 4, split="validation")
    whole = groups(tokenizer, 1, split="validation")
    found = [t.tobytes() for t in made.group(1).tokens]
    places = [1 + made.num_groups * number for number in range(4)]
    assert found == [whole.group(place).tokens[0].tobytes() for place in places]
    assert np.diff(places).min() == made.num_groups
