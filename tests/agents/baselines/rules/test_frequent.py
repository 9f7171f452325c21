"""Frequent tokens on a model whose candidates are known."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.frequent import (
    frequency_score,
    frequent_tokens,
    pays_overlap,
    token_shares,
)
from agents.evaluation.rollouts import mean_scores, run_episodes

gym.register_envs(lm_envs)


def make(**rewards):
    arguments = {"rewards": rewards, "autoreset_mode": "disabled"}
    return gym.make_vec("lm_envs/NextWord-v0", num_envs=16, **arguments).unwrapped


def test_a_share_is_of_references_and_never_zero():
    shares = token_shares([np.array([1, 1, 2]), np.array([1])], 4)
    np.testing.assert_allclose(shares, [0.5 / 3, 2.5 / 3, 1.5 / 3, 0.5 / 3])


def test_the_score_adds_the_share_and_takes_the_penalty_for_each_repetition():
    env = make(overlap=1.0)
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(16, np.int64))
    shares = np.random.default_rng(0).uniform(0.1, 1.0, len(env.tokenizer))
    found = frequency_score(shares, 0.5, 2.0)(env)
    for row in range(16):
        written = env.transcripts[row].tokens.tolist()
        for place, token in enumerate(env.outputs.candidates[row].tolist()):
            if np.isfinite(found[row, place]):
                expected = env.candidate_logprobs[row, place] + 0.5 * np.log(shares[token])
                expected -= 2.0 * written.count(token)
                assert found[row, place] == pytest.approx(expected, abs=1e-5)


def test_frequent_tokens_are_shared_with_more_references():
    env = make(overlap=1.0)
    examples = LearnedExamples(make(overlap=1.0), np.arange(200))
    held_out = np.arange(300, 332)
    alone, frequent = (
        mean_scores(run_episodes(env, frequent_tokens(examples, pair), held_out))["overlap"]
        for pair in ((0.0, 0.0), (0.5, 2.0))
    )
    assert frequent > alone + 0.02


def test_only_rewards_that_count_shared_tokens_prefer_frequent_ones():
    assert pays_overlap(make(overlap=1.0))
    assert not pays_overlap(make(fluency=1.0, overlap=0.0))
