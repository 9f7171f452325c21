"""The dense reward, the increase of a score at each step, has the same optimal policies.

Source: Ng, Harada and Russell 1999, "Policy invariance under reward transformations".
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from lm_envs.tasks.rewards.reward import Reward
from lm_envs.tasks.rewards.text_scores import TEXT_SCORES
from tests.tasks.rewards.helpers import make_completions

END, SYMBOLS, LONGEST = 3, range(4), 3
WORDS = ("good", "a", "bad", "")
REWARDS = [
    {"overlap": 1.0, "repetition": -0.7},
    {"distinct_1": 0.9, "length": -0.5, "fluency": 0.3},
    {"distinct_2": -1.0, "overlap": -0.4, "repetition_3": 0.2},
]


def value_by_reward(weights):
    """Value of every string of symbols under a reward of the library."""
    reward = Reward(weights)
    logprobs = np.log([0.5, 0.3, 0.15, 0.05])

    @cache
    def value(string):
        chosen = [[logprobs[symbol] for symbol in string]]
        completions = make_completions([list(string)], chosen, [[0, 2, 0]])
        return float(reward.total(reward.components(completions, np.arange(1)))[0])

    return value


def value_by_text(name):
    """Value of every string of symbols under a score of its text."""
    return cache(lambda string: TEXT_SCORES[name](text_of(string), ["good bad good"]))


def text_of(string):
    return " ".join(WORDS[symbol] for symbol in string if symbol != END)


VALUES = [value_by_reward(weights) for weights in REWARDS]
VALUES += [value_by_text(name) for name in ("chrf", "rouge_2", "token_f1", "sentiment")]


def is_over(string):
    return len(string) == LONGEST or END in string


def final(value):
    """Pays the whole value with the last symbol."""
    return lambda before, after: value(after) if is_over(after) else 0.0


def dense(value):
    """Pays the increase of the value with each symbol, as environments do by default."""
    return lambda before, after: value(after) - value(before)


def every_value(value):
    """Pays the value itself with each symbol, the mistake that shaping avoids."""
    return lambda before, after: value(after)


def solve(pay):
    """Value of each unfinished string, and the set of its best symbols; exact, gamma = 1."""
    values, best = {}, {}

    def value_of(string):
        if is_over(string):
            return 0.0
        nexts = [(*string, symbol) for symbol in SYMBOLS]
        returns = [pay(string, after) + value_of(after) for after in nexts]
        values[string] = max(returns)
        best[string] = {s for s in SYMBOLS if returns[s] > values[string] - 1e-9}
        return values[string]

    value_of(())
    return values, best


@pytest.mark.parametrize("value", VALUES)
def test_dense_and_final_reward_have_the_same_best_symbols(value):
    final_values, final_best = solve(final(value))
    dense_values, dense_best = solve(dense(value))
    assert len(final_best) == 1 + 3 + 9
    assert dense_best == final_best
    for string, expected in final_values.items():
        assert dense_values[string] == pytest.approx(expected - value(string))


@pytest.mark.parametrize("value", VALUES)
def test_dense_and_final_reward_have_the_same_sum_over_an_episode(value):
    for string in ((0, 1, 2), (2, 0, 0), (1, END), (END,)):
        prefixes = [string[:size] for size in range(len(string) + 1)]
        steps = list(pairwise(prefixes))
        for pay in (final(value), dense(value)):
            assert sum(pay(*step) for step in steps) == pytest.approx(value(string))


def test_paying_the_value_at_each_step_has_other_best_symbols():
    """Shows that the comparison above can fail."""
    value = value_by_reward(REWARDS[1])
    assert solve(every_value(value))[1] != solve(final(value))[1]


def test_the_largest_first_reward_is_not_always_the_best_choice():
    """Shows that the examples are not trivial."""
    greedy = [max(SYMBOLS, key=lambda s, value=value: value((s,))) for value in VALUES]
    best = [solve(final(value))[1][()] for value in VALUES]
    assert any(symbol not in choices for symbol, choices in zip(greedy, best, strict=True))
