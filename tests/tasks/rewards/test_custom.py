import math
import unicodedata

import numpy as np
import pytest

from lm_envs.tasks.rewards.custom import load_score


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


def test_a_function_is_found_by_its_path(module):
    assert load_score(f"{module}:brevity")("four", []) == 0.25


def test_any_callable_will_do():
    assert load_score(lambda text, references: len(references))("text", ["a", "b"]) == 2.0


def test_both_sides_reach_it_in_one_unicode_form():
    same = load_score(lambda text, references: text in references)
    assert same("été", [unicodedata.normalize("NFD", "été")]) == 1.0


@pytest.mark.parametrize("value", [True, np.True_, np.float32(1), np.int64(1)])
def test_a_value_may_be_of_numpy_or_a_truth(value):
    assert load_score(lambda text, references: value)("text", []) == 1.0


def test_an_empty_text_scores_zero_whatever_it_says():
    assert load_score(lambda text, references: 5.0)("  ", ["a"]) == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", None, [1.0]])
def test_a_value_that_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError, match=r"Got value of score .*; allowed: a finite number"):
        load_score(lambda text, references: value)("text", [])


def test_an_error_of_a_callers_own_code_names_the_score_and_is_its_cause():
    def upset(text, references):
        raise KeyError("no such word")

    with pytest.raises(RuntimeError, match=r"Got KeyError from score 'upset': .*no such") as caught:
        load_score(upset)("text", [])
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("blue", r"allowed: 'package.module:function'\. Did you mean 'bleu'\?"),
        (":brevity", "allowed: 'package.module:function'"),
        (".scores:brevity", "allowed: 'package.module:function'"),
        ("my_own_scores:", "allowed: 'package.module:function'"),
        ("no_such_module_here:f", "no module 'no_such_module_here'; install it, or put its folder"),
        ("my_own_scores:brevty", r"no such name in my_own_scores\. Did you mean 'brevity'\?"),
        ("my_own_scores:alone", r"too many positional arguments; allowed: a function \(text: str"),
        ("my_own_scores:nothing", r"not a callable object; allowed: a function \(text: str"),
    ],
)
def test_a_path_that_leads_to_no_score_is_refused(module, source, message):
    with pytest.raises(ValueError, match=message):
        load_score(source)
