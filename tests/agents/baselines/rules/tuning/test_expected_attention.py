"""The rule for evictions that learned how much attention entries get."""

import numpy as np
import pytest

from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.tuning import expected_attention
from agents.baselines.rules.tuning.eviction import entry_columns
from agents.baselines.rules.tuning.expected_attention import (
    Seen,
    evict_least,
    fitted,
    see_entries,
)
from lm_envs.envs.tuning.cache_entries import NAMES
from tests.envs.tuning.helpers import make_rows

TEXTS = 12


@pytest.fixture(scope="module", params=[False, True])
def examples(request):
    env = make_rows("CacheEviction", 6, "disabled", adjustments=9, by_head=request.param).unwrapped
    return LearnedExamples(env, np.arange(TEXTS))


def test_later_attention_is_discounted_and_that_of_the_past_does_not_count():
    paid = np.array([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.2, 0.6, 0], [0.1, 0.4, 0.3, 0.2]])
    seen = Seen(
        columns=np.zeros((2, 2, 1), np.float32),
        positions=np.array([[0, 1], [1, 2]]),
        texts=np.array([7, 7]),
        places=np.array([2, 3]),
        attention={7: paid},
    )
    expected = [[0.2 + 0.5 * 0.1, 0.2 + 0.5 * 0.4], [0.4, 0.3]]
    np.testing.assert_allclose(np.exp(seen.expected(0.5)), expected, rtol=1e-6)


def test_columns_are_those_of_each_entry(examples):
    env = examples.env
    observations, _ = env.reset(seed=0)
    found = entry_columns(env, observations)
    for number, name in enumerate(NAMES):
        place = env.single_observation_space.columns[name]
        np.testing.assert_array_equal(found[:, :, number], observations[:, place])
    assert found.shape[:2] == (6, env.single_action_space.n)
    assert found[0].size == observations.shape[1] - 2  # all but next_surprise and budget_left


def test_the_places_in_a_text_are_those_that_its_attention_is_looked_up_by(examples):
    seen = see_entries(examples)
    assert set(seen.texts.tolist()) == set(seen.attention) == set(range(TEXTS))
    assert (seen.positions < seen.places[:, None]).all()
    for text, place, positions in zip(seen.texts, seen.places, seen.positions, strict=True):
        assert place < len(seen.attention[text])
        assert len(set(positions.tolist())) == len(positions)
        assert positions.max() == place - 1  # the token that was read last


def test_fewer_texts_are_read_where_all_take_too_much_memory(examples, monkeypatch):
    length = examples.env.single_action_space.n + 9 + 1
    text = 4 * (
        length**2 + 9 // expected_attention.EVERY * examples.env.single_observation_space.shape[0]
    )
    monkeypatch.setattr(expected_attention, "MOST_BYTES", 3 * text)
    assert sorted(see_entries(examples).attention) == [0, 6, 11]


def test_it_learns_a_function_of_the_columns():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(900, 8, 3)).astype(np.float32)
    values = 2.0 * columns[:, :, 0] - columns[:, :, 1] * (columns[:, :, 2] > 0.0)
    model = fitted(columns[:800], values[:800])
    found = model.predict(columns[800:].reshape(-1, 3))
    assert np.corrcoef(found, values[800:].ravel())[0, 1] > 0.98


@pytest.mark.parametrize(("sign", "expected"), [(1.0, -1), (-1.0, 0)])
def test_the_entry_of_which_least_is_expected_is_evicted(examples, sign, expected):
    class Ages:
        def predict(self, columns):
            return sign * columns[:, NAMES.index("log_age")]

    observations, _ = examples.env.reset(seed=0)
    place = expected % examples.env.single_action_space.n
    assert evict_least(Ages())(examples.env, observations).tolist() == [place] * 6


def test_it_is_nearer_to_the_attention_that_comes_than_the_attention_so_far(examples):
    """On the very texts that it has learned from, in correlation over all entries."""
    seen = see_entries(examples)
    coming = seen.expected(0.9)
    model = fitted(seen.columns, coming)
    found = model.predict(seen.columns.reshape(-1, seen.columns.shape[2]))
    now = seen.columns[:, :, NAMES.index("log_attention")]
    by_network, by_column = (np.corrcoef(x.ravel(), coming.ravel())[0, 1] for x in (found, now))
    assert by_network > by_column
