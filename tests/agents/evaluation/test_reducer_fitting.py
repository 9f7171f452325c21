import gymnasium as gym
import numpy as np
import pytest

from agents.evaluation.reducer_fitting import fit, sample_states, summarize


def rows(**options):
    return gym.make_vec(
        "lm_envs/NextWord-v0",
        num_envs=4,
        autoreset_mode="same_step",
        max_new_tokens=5,
        **options,
    )


def test_as_many_states_are_sampled_as_wanted_and_the_same_again():
    env = rows()
    states = sample_states(env, 10)
    assert states.shape == (10, *env.single_observation_space.shape)
    np.testing.assert_array_equal(states, sample_states(env, 10))


def test_observations_other_than_vectors_are_refused():
    with pytest.raises(ValueError, match=r"Got observations Dict.*observation='hidden'"):
        sample_states(rows(observation="tokens", actions="vocabulary"), 4)


def test_unknown_kinds_and_options_are_refused():
    states = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    with pytest.raises(ValueError, match="Got kind='hash'"):
        fit("hash", states, "model", {})
    with pytest.raises(ValueError, match=r"Got option='dim'; allowed: .*bits"):
        fit("hashed", states, "model", {"dim": 2})


def test_the_summary_counts_codes_or_measures_their_spread():
    states = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    hashed = summarize(fit("hashed", states, "model", {"bits": 3}), states, states)
    assert 1 < hashed["held_out_codes"] <= 8
    compressed = summarize(fit("compressed", states, "model", {"dim": 2}), states, states)
    assert compressed["held_out_deviation"] > 0.0
