"""Actions that are ranks of candidates."""

import numpy as np
import pytest

from tests.envs.helpers import make_small


def test_action_0_writes_the_most_likely_token(checkpoint):
    env = make_small(checkpoint)
    env.reset(seed=0)
    best = env.outputs.candidates[:, 0]
    assert (np.diff(env.outputs.logprobs[:, :-1], axis=1) <= 0).all()
    env.step(np.zeros(3, int))
    assert [t.tokens[0] for t in env.transcripts] == best.tolist()


def test_the_end_token_is_always_a_candidate(checkpoint):
    env = make_small(checkpoint, actions={"kind": "top_k", "k": 2})
    env.reset(seed=0)
    for _ in range(4):
        assert (env.outputs.candidates == env.tokenizer.end_token).any(1).all()
        env.step(np.zeros(3, int))


def test_with_copies_the_pointers_weights_are_observed(checkpoint):
    env = make_small(checkpoint, actions={"kind": "top_k", "k": 4, "copies": 3})
    shares = env.reset(seed=0)[0][:, env.observation.columns["pointer_shares"]]
    np.testing.assert_array_equal(shares, env.actions.copied.shares)
    assert shares.shape == (3, 7)
    assert list(env.rule_policies()) == ["greedy, with the pointer"]
    assert make_small(checkpoint).rule_policies() == {}


@pytest.mark.parametrize("options", [{}, {"copies": 3}, {"copies": 3, "order": "prompt"}])
def test_axes_show_where_the_token_of_each_action_lies(checkpoint, options):
    env = make_small(checkpoint, actions={"kind": "top_k", "k": 4, "axes": 2, **options})
    seen = env.reset(seed=0)[0]
    for action in range(env.single_action_space.n):
        before = env.get_state()
        env.step(np.full(3, action))
        points = env.actions.tokens.points(np.array([t.tokens[-1] for t in env.transcripts]))
        for axis in range(2):
            column = seen[:, env.observation.columns[f"candidate_axis_{axis}"]]
            np.testing.assert_allclose(column[:, action], points[:, axis], atol=1e-6)
        env.set_state(before)


def test_more_axes_than_dimensions_are_refused(checkpoint):
    with pytest.raises(ValueError, match=r"Got axes=99 for top_k .* embedding size, 96"):
        make_small(checkpoint, actions={"kind": "top_k", "axes": 99})


@pytest.mark.parametrize("k", [1, 0, 2.5, "3", True])
def test_a_wrong_k_is_refused(checkpoint, k):
    with pytest.raises(ValueError, match=f"k={k!r} for top_k actions; allowed: a whole number, 2"):
        make_small(checkpoint, actions={"kind": "top_k", "k": k})


def test_more_candidates_than_tokens_are_refused(checkpoint):
    with pytest.raises(ValueError, match=r"with 701 candidates; allowed: .* vocabulary, 275"):
        make_small(checkpoint, actions={"kind": "top_k", "k": 701})
