import math
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
import torch

from lm_envs.tasks.rewards.custom import CustomScore, finished_texts_only
from tests.tasks.rewards.helpers import make_completions


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A caller's own module on the path; gives its name."""
    (tmp_path / "my_own_scores.py").write_text(
        "def brevity(text, references):\n    return 1 / len(text)\n"
        "def alone(text):\n    return 1.0\n"
        "nothing = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "my_own_scores"


def score(source, texts=("four",), targets=None, prompts=None, columns=None):
    """Scores of one row a text."""
    completions = replace(
        make_completions([[1]] * len(texts)),
        texts=list(texts),
        targets=targets or [()] * len(texts),
        prompts=prompts or [""] * len(texts),
        columns=columns or [{}] * len(texts),
    )
    return CustomScore(source)(completions, np.arange(len(texts))).tolist()


def test_a_path_finds_a_function(module):
    assert score(f"{module}:brevity") == [0.25]


def test_a_callable_is_called_with_text_and_references():
    assert score(lambda text, references: len(references), targets=[("a", "b")]) == [2.0]


def test_text_and_references_are_in_nfc():
    nfd = unicodedata.normalize("NFD", "été")
    assert score(lambda text, references: text in references, ["été"], [(nfd,)]) == [1.0]


@pytest.mark.parametrize("value", [True, np.True_, np.float32(1), np.int64(1)])
def test_numpy_numbers_and_truth_values_are_accepted(value):
    assert score(lambda text, references: value) == [1.0]


def test_a_blank_text_scores_zero_without_a_call():
    calls = []
    assert score(lambda text, references: calls.append(text) or 5.0, ["  "]) == [0.0]
    assert not calls


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", None, [1.0]])
def test_a_value_that_is_not_a_finite_number_is_refused(value):
    with pytest.raises(ValueError, match=r"Got value of score .*; allowed: a finite number"):
        score(lambda text, references: value)


def test_an_error_in_the_callers_code_names_the_score_and_is_the_cause():
    def upset(text, references):
        raise KeyError("no such word")

    message = r"Got KeyError from score 'upset': .*no such.* such as 'four'"
    with pytest.raises(RuntimeError, match=message) as caught:
        score(upset)
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_error_in_a_batch_function_names_the_first_text():
    def upset(completions):
        raise KeyError("no such word")

    with pytest.raises(RuntimeError, match="any text, such as 'four'"):
        score(upset, ["four", "five"])


def test_a_score_is_of_unfinished_texts_too_unless_it_is_marked():
    def plain(text, references):
        return 1.0

    assert not CustomScore(plain).finished_only
    assert CustomScore(finished_texts_only(plain)).finished_only


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("blue", r"allowed: 'package.module:function'\. Did you mean 'bleu'\?"),
        (":brevity", "allowed: 'package.module:function'"),
        (".scores:brevity", "allowed: 'package.module:function'"),
        ("my_own_scores:", "allowed: 'package.module:function'"),
        ("no_such_module_here:f", "no module 'no_such_module_here'; install it, or put its folder"),
        ("my_own_scores:brevty", r"no such name in my_own_scores\. Did you mean 'brevity'\?"),
        ("my_own_scores:alone", r"too many positional arguments; allowed: f\(prompts, completions"),
        ("my_own_scores:nothing", r"not a callable object; allowed: f\(prompts, completions"),
    ],
)
def test_a_path_without_a_score_is_refused(module, source, message):
    with pytest.raises(ValueError, match=message):
        CustomScore(source)


def test_a_batch_function_is_called_once_with_prompts_and_columns():
    calls = []

    def near_prompt(prompts, completions, references, weight):
        calls.append((prompts, completions, references, weight))
        return [
            float(len(p) == len(c)) * w
            for p, c, w in zip(prompts, completions, weight, strict=True)
        ]

    columns = [{"weight": 2.0, "other": "x"}, {"weight": 3.0}, {"weight": 5.0}]
    found = score(near_prompt, ["ab ", "", "abc"], [("r",), (), ()], ["xy", "z", "q"], columns)
    assert found == [2.0, 0.0, 0.0]
    assert calls == [(["xy", "q"], ["ab", "abc"], [["r"], []], [2.0, 5.0])]


def test_a_batch_function_with_keywords_receives_every_column():
    def names(completions, **columns):
        assert sorted(columns) == ["other", "prompts", "references", "weight"]
        assert columns["other"] == ["x", None]
        return [1.0, 2.0]

    columns = [{"weight": 2.0, "other": "x"}, {"weight": 3.0}]
    assert score(names, ["a", "b"], columns=columns) == [1.0, 2.0]


def test_a_batch_function_may_be_async_and_return_a_tensor():
    async def slow(completions):
        return torch.tensor([float(len(text)) for text in completions])

    assert score(slow, ["a", "abc"]) == [1.0, 3.0]


def test_a_batch_function_has_to_return_one_number_a_row():
    with pytest.raises(ValueError, match=r"one for each completion \(here 2\)"):
        score(lambda completions: [1.0], ["a", "b"])


def test_a_function_of_prompt_and_text_is_refused():
    """Regression: it was called with the text and its references."""
    with pytest.raises(
        ValueError, match=r"first argument is 'prompt'; a function of two arguments"
    ):
        CustomScore(lambda prompt, text: 1.0)


def test_a_column_that_the_examples_lack_is_named_with_those_that_they_have():
    def within(completions, limit, scale=1.0):
        return [scale * (len(text) <= 3) for text in completions]

    assert score(within, ["abc"], columns=[{"limit": "3"}]) == [1.0]
    with pytest.raises(ValueError, match=r"requires the column 'limit'; the examples have: topic"):
        score(within, ["abc"], columns=[{"topic": "x"}])
