from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_envs.tasks.rewards.token_scores import TOKEN_SCORES
from tests.tasks.rewards.helpers import BUDGET, make_completions

rows = st.lists(st.integers(0, 4), max_size=BUDGET)


def slow_repetition(row, n):
    grams = [tuple(row[at : at + n]) for at in range(len(row) - n + 1)]
    seen = [gram in grams[:at] for at, gram in enumerate(grams)]
    return sum(seen) / len(seen) if seen else 0.0


def slow_overlap(row, reference):
    if not reference:
        return 0.0
    shared = sum((Counter(row) & Counter(reference)).values())
    return 2 * shared / (len(row) + len(reference))


def slow_fluency(logprobs):
    return 1 + np.mean([max(logprob, -8.0) for logprob in logprobs]) / 8 if logprobs else 0.0


@given(st.lists(st.tuples(rows, rows), min_size=1, max_size=5))
def test_scores_equal_their_plain_definitions(pairs):
    tokens, references = [list(part) for part in zip(*pairs, strict=True)]
    rng = np.random.default_rng(0)
    logprobs = [(-12 * rng.random(len(row))).tolist() for row in tokens]
    completions = make_completions(tokens, logprobs, references)
    expected = {
        "fluency": [slow_fluency(row) for row in logprobs],
        "repetition": [slow_repetition(row, 2) for row in tokens],
        "repetition_3": [slow_repetition(row, 3) for row in tokens],
        "distinct_1": [1 - slow_repetition(row, 1) if row else 0.0 for row in tokens],
        "distinct_2": [1 - slow_repetition(row, 2) if len(row) > 1 else 0.0 for row in tokens],
        "overlap": [slow_overlap(*pair) for pair in zip(tokens, references, strict=True)],
        "length": [len(row) / BUDGET for row in tokens],
    }
    assert set(expected) == set(TOKEN_SCORES)
    for name, values in expected.items():
        np.testing.assert_allclose(TOKEN_SCORES[name](completions), values, atol=1e-12)


@pytest.mark.parametrize("name", TOKEN_SCORES)
@given(st.lists(rows, min_size=1, max_size=6))
def test_a_score_keeps_its_range_and_depends_on_its_row_alone(name, tokens):
    score = TOKEN_SCORES[name]
    values = score(make_completions(tokens, references=tokens[::-1]))
    assert ((values >= 0.0) & (values <= 1.0)).all()
    alone = [
        score(make_completions([row], references=[reference], garbage=0))[0]
        for row, reference in zip(tokens, tokens[::-1], strict=True)
    ]
    assert values.tolist() == alone


@pytest.mark.parametrize("name", TOKEN_SCORES)
def test_an_empty_completion_scores_zero(name):
    assert TOKEN_SCORES[name](make_completions([[]], references=[[1, 2]])).tolist() == [0.0]


def test_a_certain_token_whose_log_probability_is_rounded_above_0_counts_as_certain():
    completions = make_completions([[1, 2]], [[1e-6, 1e-6]])
    assert TOKEN_SCORES["fluency"](completions).tolist() == [1.0]
