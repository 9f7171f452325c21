"""Actions that are points in the space of token embeddings."""

import numpy as np
import pytest

from tests.envs.helpers import make_small


def random_points(size=(3, 8)):
    return np.random.default_rng(0).uniform(-1, 1, size).astype(np.float32)


@pytest.mark.parametrize("top_k", [4, None])
def test_the_nearest_allowed_token_is_written(checkpoint, top_k):
    env = make_small(checkpoint, actions={"kind": "embedding", "top_k": top_k})
    env.reset(seed=0)
    points = random_points()
    allowed = np.tile(np.arange(275), (3, 1)) if top_k is None else env.outputs.candidates
    gaps = ((points[:, None] - env.actions.tokens.points(allowed)) ** 2).sum(-1)
    expected = np.take_along_axis(allowed, gaps.argmin(1)[:, None], 1)[:, 0]
    env.step(points)
    assert [t.tokens[0] for t in env.transcripts] == expected.tolist()


def test_dim_is_the_number_of_coordinates(checkpoint):
    env = make_small(checkpoint, actions={"kind": "embedding", "dim": 3})
    assert env.single_action_space.shape == (3,)
    points = env.observation.columns["candidate_points"]
    assert points.stop - points.start == 16 * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 97}, "dim=97 for embedding actions; allowed: up to the embedding size, 96"),
        ({"dim": 0}, "dim=0; allowed: a whole number"),
        ({"top_k": 1}, "k=1 for embedding actions; allowed: a whole number, 2 or more"),
    ],
)
def test_wrong_options_are_refused(checkpoint, options, message):
    with pytest.raises(ValueError, match=message):
        make_small(checkpoint, actions={"kind": "embedding", **options})


def test_there_are_no_masks(checkpoint):
    with pytest.raises(ValueError, match="only discrete actions have masks"):
        make_small(checkpoint, actions="embedding").action_masks()
