"""Actions that are token ids, and their masks."""

import numpy as np
import pytest
import torch

from tests.envs.helpers import make_small


def test_an_action_writes_the_token_of_that_id(checkpoint):
    env = make_small(checkpoint, actions="vocabulary")
    env.reset(seed=0)
    env.step(np.array([7, 8, 9]))
    assert [t.tokens.tolist() for t in env.transcripts] == [[7], [8], [9]]


def test_masks_keep_the_likely_tokens_and_the_end_token(checkpoint):
    env = make_small(checkpoint, actions={"kind": "vocabulary", "top_k": 5})
    env.reset(seed=0)
    masks = env.action_masks()
    assert masks.shape == (3, 275)
    for row, mask in enumerate(masks):
        expected = {*env.outputs.candidates[row, :5].tolist(), env.tokenizer.end_token}
        assert set(np.flatnonzero(mask).tolist()) == expected


@pytest.mark.parametrize("limit", [{}, {"top_k": 5}, {"top_p": 0.1}])
def test_candidate_logprobs_are_finite_where_the_mask_allows_them(checkpoint, limit):
    env = make_small(checkpoint, actions={"kind": "vocabulary", **limit})
    env.reset(seed=0)
    masks = np.take_along_axis(env.action_masks(), env.outputs.candidates, 1)
    assert masks.all() == (not limit)
    expected = np.where(masks, env.outputs.logprobs, -np.inf)
    np.testing.assert_array_equal(env.candidate_logprobs, expected)


def test_top_p_keeps_the_smallest_set_that_holds_its_probability(checkpoint, reference_model):
    env = make_small(checkpoint, 2, actions={"kind": "vocabulary", "top_p": 0.6})
    env.reset(seed=0)
    masks = env.action_masks()
    for row, context in enumerate(env.episodes.contexts_of(np.arange(2))):
        with torch.no_grad():
            logits = reference_model(torch.tensor(context)[None]).logits[0, -1, :275]
        mask = masks[row]
        mask[env.tokenizer.end_token] = False
        kept = np.sort(torch.softmax(logits, -1).numpy()[mask])
        assert kept.sum() >= 0.6 - 1e-3
        assert kept[1:].sum() < 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_p": 0}, "top_p=0 for actions; allowed: over 0, up to 1"),
        ({"top_p": "x"}, "top_p='x'; allowed: a finite number"),
        ({"top_k": 0}, "top_k=0; allowed: a whole number"),
        ({"top_q": 1}, "unknown option 'top_q' of actions 'vocabulary'.*Did you mean 'top_"),
    ],
)
def test_wrong_options_are_refused(checkpoint, options, message):
    with pytest.raises(ValueError, match=message):
        make_small(checkpoint, actions={"kind": "vocabulary", **options})
