"""The same model offered as ranks, as a vocabulary and as a space of embeddings."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import lm_envs
from lm_envs.model.embeddings import TokenSpace

gym.register_envs(lm_envs)


def make(checkpoint, num_envs=3, **options):
    return gym.make_vec(
        "lm_envs/NextWord-v0",
        num_envs=num_envs,
        autoreset_mode="disabled",
        model=str(checkpoint),
        **{"max_new_tokens": 6, "prompt_tokens": 8} | options,
    ).unwrapped


@pytest.mark.parametrize("actions", ["top_k", "vocabulary", "embedding"])
def test_the_action_of_a_rank_writes_that_candidate(checkpoint, actions):
    env = make(checkpoint, actions=actions)
    env.reset(seed=0)
    for step in range(3):
        ranks = (np.arange(3) + step) % 16
        expected = env.outputs.candidates[np.arange(3), ranks]
        env.step(env.actions_for_ranks(ranks))
        written = [t.tokens[-1] for t in env.transcripts]
        assert written == expected.tolist()


def test_the_nearest_word_is_found_exactly(model):
    words = TokenSpace(model, 5)
    points = np.random.default_rng(0).uniform(-1, 1, (9, 5)).astype(np.float32)
    every = words.points(np.arange(model.config.vocab_size))
    gaps = ((points[:, None] - every) ** 2).sum(-1)
    assert words.nearest(points).tolist() == gaps.argmin(1).tolist()
    allowed = np.random.default_rng(1).integers(0, 700, (9, 4))
    best = np.take_along_axis(gaps, allowed, 1).argmin(1)
    assert words.nearest(points, allowed).tolist() == allowed[np.arange(9), best].tolist()


def test_most_words_lie_in_the_unit_box(model):
    points = TokenSpace(model, 4).points(np.arange(model.config.vocab_size))
    assert (np.abs(points) <= 1).mean() > 0.95


def test_masks_keep_the_likely_words_and_the_end_of_text(checkpoint):
    env = make(checkpoint, actions={"kind": "vocabulary", "top_k": 5})
    env.reset(seed=0)
    masks = env.action_masks()
    assert masks.shape == (3, 700)
    for row, mask in enumerate(masks):
        expected = {*env.outputs.candidates[row, :5].tolist(), env.tokenizer.end_token}
        assert set(np.flatnonzero(mask).tolist()) == expected


@pytest.mark.parametrize("limit", [{}, {"top_k": 5}, {"top_p": 0.1}])
def test_proposals_are_finite_where_the_mask_allows_them(checkpoint, limit):
    env = make(checkpoint, actions={"kind": "vocabulary", **limit})
    env.reset(seed=0)
    masks = np.take_along_axis(env.action_masks(), env.outputs.candidates, 1)
    assert masks.all() == (not limit)
    expected = np.where(masks, env.outputs.logprobs, -np.inf)
    np.testing.assert_array_equal(env.candidate_logprobs, expected)


def test_a_nucleus_holds_its_share_and_no_word_too_many(checkpoint):
    env = make(checkpoint, num_envs=2, actions={"kind": "vocabulary", "top_p": 0.6})
    env.reset(seed=0)
    logits = env.engine._head.logits(env.engine._hidden)
    probabilities = torch.softmax(logits, -1).numpy()
    for row, mask in enumerate(env.action_masks()):
        mask[env.tokenizer.end_token] = False
        kept = np.sort(probabilities[row][mask])
        assert kept.sum() >= 0.6 - 1e-3
        assert kept[1:].sum() < 0.6


@pytest.mark.parametrize(
    ("actions", "bad", "message"),
    [
        ("vocabulary", np.array([0, 700, 1]), "allowed: 0 to 699, token ids"),
        ("embedding", np.zeros((3, 7), np.float32), r"allowed: floats of shape \(3, 8\)"),
        ("embedding", np.full((3, 8), 1.5, np.float32), "allowed: -1 to 1 each"),
        ("embedding", np.full((3, 8), np.nan, np.float32), "allowed: -1 to 1 each"),
        ("embedding", np.zeros(3, np.int64), "allowed: floats"),
    ],
)
def test_an_action_outside_its_space_is_refused_and_changes_nothing(
    checkpoint, actions, bad, message
):
    env = make(checkpoint, actions=actions)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(bad)
    assert [t.text for t in env.transcripts] == ["", "", ""]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": {"kind": "embedding", "dim": 97}}, "up to the embedding size, 96"),
        ({"actions": {"kind": "vocabulary", "top_p": 0}}, "over 0, up to 1"),
        ({"actions": {"kind": "vocabulary", "top_q": 1}}, "Did you mean 'top_"),
        ({"actions": "vocabulary", "observation": "candidates"}, "which have none; allowed: 'hid"),
        ({"actions": "choices"}, "'next_word' offers no lines"),
        ({"observation": {"kind": "embeddings", "last": 0}}, "last=0; allowed: a whole number"),
    ],
)
def test_a_bad_spec_is_refused(checkpoint, options, message):
    with pytest.raises(ValueError, match=message):
        make(checkpoint, **options)
