import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lm_envs.tasks.rewards.custom import finished_texts_only
from lm_envs.tasks.rewards.reward import Reward
from tests.tasks.rewards.helpers import make_completions


def test_the_total_is_the_weighted_sum():
    reward = Reward({"distinct_1": 2.0, "length": -1.0})
    components = reward.components(make_completions([[1, 1, 2], []]), np.arange(2))
    np.testing.assert_allclose(reward.total(components), [2 * 2 / 3 - 3 / 9, 0.0])


def test_an_unknown_score_is_refused_with_a_close_match():
    with pytest.raises(ValueError, match=r"'fluancy'; allowed: .*fluency.*Did you mean 'fluency'"):
        Reward({"fluancy": 1.0})


@pytest.mark.parametrize("weight", [math.nan, math.inf, True, np.True_, np.complex64(1), "1", None])
def test_a_weight_that_is_no_finite_number_is_refused(weight):
    with pytest.raises(ValueError, match="allowed: a finite number"):
        Reward({"fluency": weight})


@pytest.mark.parametrize("weight", [np.float32(0.5), np.int64(2), Fraction(1, 2)])
def test_a_weight_may_be_any_real_number(weight):
    """Regression: NumPy's numbers, but for float64, were no finite numbers."""
    assert Reward({"fluency": weight}).weights == {"fluency": float(weight)}


def test_no_reward_at_all_is_refused():
    with pytest.raises(ValueError, match="Got no rewards"):
        Reward({})


def test_only_the_rows_asked_for_are_scored():
    completions = make_completions([[1], [1, 1], [1, 2, 3]])
    components = Reward({"length": 1.0}).components(completions, np.array([2, 0]))
    np.testing.assert_allclose(components["length"], [3 / 9, 1 / 9])


def test_a_text_score_sees_the_text_without_outer_spaces_and_its_targets():
    completions = replace(
        make_completions([[1], [1]]), texts=[" Paris\n", ""], targets=[("paris",), ("x",)]
    )
    components = Reward({"exact_match": 1.0}).components(completions, np.arange(2))
    assert components["exact_match"].tolist() == [1.0, 0.0]


def test_a_weight_of_zero_reports_without_paying():
    reward = Reward({"length": 1.0, "distinct_1": 0.0})
    components = reward.components(make_completions([[1, 1]]), np.arange(1))
    assert components["distinct_1"][0] > 0
    np.testing.assert_allclose(reward.total(components), components["length"])


@finished_texts_only
def opinion(text, references):
    return 1.0


def test_a_score_of_finished_texts_is_refused_after_every_step():
    reward = Reward({opinion: 1.0, "length": 1.0})
    reward.check_dense(dense=False)
    with pytest.raises(ValueError, match="Got dense=True with the score 'opinion'"):
        reward.check_dense(dense=True)


@pytest.mark.parametrize(
    "weights",
    [
        {opinion: 0.0, "length": 1.0},
        {"length": 1.0, (lambda text, references: 1.0): 1.0, "chrf": 1.0},
    ],
)
def test_other_scores_and_scores_without_weight_are_accepted_after_every_step(weights):
    Reward(weights).check_dense(dense=True)


def test_a_path_names_a_function():
    weights = {"lm_envs.tasks.rewards.synthetic:has_date": 2.0}
    assert Reward(weights).weights == weights


def test_scores_of_the_same_name_are_refused():
    """Regression: the last one replaced the others without a message."""

    def length(text, references):
        return 1.0

    with pytest.raises(ValueError, match="two scores named '<lambda>'; allowed: scores of diff"):
        Reward({lambda text, references: 1.0: 1.0, lambda text, references: 2.0: 1.0})
    with pytest.raises(ValueError, match="two scores named 'length'"):
        Reward({"length": 1.0, length: 1.0})
    assert Reward({length: 1.0}).weights == {"length": 1.0}


def test_a_score_named_as_the_sum_is_refused():
    def reward(text, references):
        return 1.0

    with pytest.raises(ValueError, match=r"a score named 'reward'; .* which is their sum"):
        Reward({reward: 0.5})
