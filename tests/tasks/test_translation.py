import json

import numpy as np
import pytest

from lm_envs.tasks.translation import DEFAULT_REWARDS, Translation
from tests.tasks.helpers import embedded_tokenizer, prompts

TOKENIZER = embedded_tokenizer()


@pytest.fixture(scope="module")
def simultaneous():
    return Translation(TOKENIZER, mode="simultaneous", kind="sentence", split="validation")


def test_a_prompt_names_both_languages():
    task = Translation(TOKENIZER, pair="en-zh")
    lines = TOKENIZER.decode(task.example(0).prompt).split("\n")
    assert lines[0].startswith("English: ")
    assert lines[1] == "Chinese:"


def test_kind_selects_among_the_embedded_pairs():
    dates = set(prompts(Translation(TOKENIZER, kind="date")))
    assert dates < set(prompts(Translation(TOKENIZER)))


def test_a_source_prefix_is_the_prompt_of_its_first_words(simultaneous):
    example = simultaneous.example(0)
    whole = TOKENIZER.decode(example.prompt)
    words = whole.split("\n")[0].removeprefix("English: ").split()
    assert simultaneous.num_source_words(example) == len(words)
    two = TOKENIZER.decode(simultaneous.source_prefix(example, 2))
    assert two == f"English: {' '.join(words[:2])}\nFrench:"
    assert np.array_equal(simultaneous.source_prefix(example, len(words)), example.prompt)


def test_a_chinese_source_is_read_by_characters_and_blanks_stay(tmp_path):
    """Regression: a Chinese source counted as one word, and a prefix had one blank for two."""
    path = tmp_path / "a.jsonl"
    lines = ({"source": "你好，世界。", "target": "Hello"}, {"source": "a  b", "target": "c"})
    path.write_text("".join(json.dumps(line | {"split": "train"}) + "\n" for line in lines))
    task = Translation(TOKENIZER, mode="simultaneous", dataset=str(path))
    chinese, blanks = (task.example(number) for number in range(2))
    prefixes = [TOKENIZER.decode(task.source_prefix(chinese, n)).split("\n")[0] for n in range(6)]
    text = "你好，世界。"
    assert prefixes == [f"English: {text[:end]}" for end in (0, 1, 3, 4, 6, 6)]
    assert task.num_source_words(chinese) == 4
    assert np.array_equal(task.source_prefix(blanks, 2), blanks.prompt)


def test_only_a_simultaneous_translation_is_scored_by_lagging(simultaneous):
    laggings = {"lagging": 0.0, "differentiable_lagging": -0.05}
    assert simultaneous.task_scores == tuple(laggings)
    assert simultaneous.reward.weights == DEFAULT_REWARDS | laggings
    assert Translation(TOKENIZER).task_scores == ()
    assert Translation(TOKENIZER).reward.weights == DEFAULT_REWARDS


def test_a_callers_prompt_is_refused_only_in_the_mode_simultaneous(simultaneous):
    with pytest.raises(ValueError, match="select an example by 'index'"):
        simultaneous.example_of("English: yes\nFrench:")
    assert Translation(TOKENIZER).example_of("English: yes\nFrench:").targets == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pair": "fr-fr"}, "pair='fr-fr'; allowed: 'en-fr'"),
        ({"kind": "verse"}, "kind='verse'"),
        ({"mode": "half"}, "mode='half'; allowed: 'whole', 'simultaneous'"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Translation(TOKENIZER, **options)
