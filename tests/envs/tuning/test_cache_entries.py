"""Statistics of the entries of bounded caches."""

import numpy as np
import pytest

from lm_envs.envs.tuning.cache_entries import DECAY, HEADS, LEAST_SHARE, NAMES, CacheEntries
from lm_envs.model.state.bounded_cache import Attention

MEANS = np.array([[[1.0, 0.0, 0.0], [0.6, 0.4, 0.0], [0.5, 0.2, 0.3]]], np.float32)
PEAKS = np.array([[[1.0, 0.0, 0.0], [0.9, 0.8, 0.0], [0.7, 0.3, 0.6]]], np.float32)
NEXT = np.array([[[0.4, 0.5, 0.1]]], np.float32)
ROW = np.array([1])


def attention(weights, peaks, heads=None):
    heads = np.zeros((1, 0, 3), np.float32) if heads is None else heads
    return Attention(weights, peaks, peaks, heads)


@pytest.fixture
def entries():
    """Row 1 of two rows of three entries, with the tokens 5, 6 and 7."""
    made = CacheEntries(2, 3, longest=50)
    made.fill(ROW, np.array([[5, 6, 7]]), np.array([[0.5, 1.5, 2.5]]), attention(MEANS, PEAKS))
    return made


def columns(entries):
    return dict(zip(NAMES, entries.columns()[1], strict=True))


def test_what_the_first_tokens_show(entries):
    shown = columns(entries)
    np.testing.assert_allclose(shown["log_age"], np.log([3, 2, 1]))
    np.testing.assert_allclose(shown["log_position"], np.log([1, 2, 3]))
    np.testing.assert_allclose(shown["surprise"], [0.5, 1.5, 2.5])
    np.testing.assert_allclose(np.exp(shown["log_attention"]), [0.5, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(np.exp(shown["log_peak_attention"]), [0.7, 0.3, 0.6], rtol=1e-6)
    recent = 0.5 + DECAY * 0.6 + DECAY**2
    np.testing.assert_allclose(np.exp(shown["log_recent_attention"][0]), (1 - DECAY) * recent)
    peaks = [DECAY**2, DECAY * 0.8, 0.6]
    np.testing.assert_allclose(np.exp(shown["log_recent_peak"]), peaks, rtol=1e-6)
    np.testing.assert_allclose(np.exp(shown["log_mean_attention"]), [0.7, 0.3, 0.3], rtol=1e-6)


def test_a_new_token_takes_a_place_and_stands_last_by_age(entries):
    at = (np.array([1]), np.array([9]), np.array([3]), np.array([4.0]))
    entries.replace(ROW, *at, attention(NEXT, NEXT))
    assert entries.order[1].tolist() == [0, 2, 1]
    assert entries.tokens[1].tolist() == [5, 9, 7]
    shown = columns(entries)
    np.testing.assert_allclose(shown["log_age"], np.log([4, 2, 1]))
    np.testing.assert_allclose(shown["surprise"], [0.5, 2.5, 4.0])
    np.testing.assert_allclose(np.exp(shown["log_attention"]), [0.4, 0.1, 0.5], rtol=1e-6)
    mean = [(2.1 + 0.4) / 4, (0.3 + 0.1) / 2, 0.5]  # nothing is left of what the evicted one got
    np.testing.assert_allclose(np.exp(shown["log_mean_attention"]), mean, rtol=1e-6)
    peaks = [max(DECAY**3, 0.4), DECAY * 0.6, 0.5]
    np.testing.assert_allclose(np.exp(shown["log_recent_peak"]), peaks, rtol=1e-6)


def test_other_rows_stay(entries):
    before = entries.columns()[0].copy()
    at = (np.array([0]), np.array([9]), np.array([3]), np.array([4.0]))
    entries.replace(ROW, *at, attention(NEXT, NEXT))
    np.testing.assert_array_equal(entries.columns()[0], before)


def test_no_attention_has_a_finite_logarithm_within_the_bounds(entries):
    none = np.zeros((1, 1, 3), np.float32)
    at = (np.array([0]), np.array([9]), np.array([3]), np.array([4.0]))
    entries.replace(ROW, *at, attention(none, none))
    assert columns(entries)["log_attention"].tolist() == [np.float32(np.log(LEAST_SHARE))] * 3
    assert entries.bounds["log_attention"][0].tolist() == [np.log(LEAST_SHARE)] * 3


def test_heads_are_shown_apart_and_forget_as_recent_attention_does():
    made = CacheEntries(2, 3, longest=50, num_heads=2)
    first = np.array([[[1.0, 0.5, 0.1], [0.2, 0.4, 0.8]]], np.float32)  # summed with decay
    tokens, surprise = np.array([[5, 6, 7]]), np.zeros((1, 3))
    made.fill(ROW, tokens, surprise, attention(MEANS, PEAKS, first))
    expected = (1 - DECAY) * first[0]
    np.testing.assert_allclose(np.exp(made.columns()[1, len(NAMES) :]), expected, rtol=1e-5)
    now = np.array([[[0.3, 0.3, 0.4], [0.0, 0.9, 0.1]]], np.float32)
    at = (np.array([1]), np.array([9]), np.array([3]), np.array([4.0]))
    made.replace(ROW, *at, attention(NEXT, NEXT, now))
    kept = first[0] * [1.0, 0.0, 1.0]  # nothing is left of what the evicted one got
    expected = ((1 - DECAY) * (DECAY * kept + now[0]))[:, [0, 2, 1]]
    np.testing.assert_allclose(np.exp(made.columns()[1, len(NAMES) :]), expected, rtol=1e-5)
    assert made.columns().shape == (2, len(NAMES) + 2, 3)
    assert made.bounds[HEADS][0].tolist() == [np.log(LEAST_SHARE)] * 6
