"""Observations by name, class, path and object."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

from tests.envs.helpers import make_small

COMBINATIONS = [
    *itertools.product(
        ("top_k", "vocabulary", "embedding"), ("hidden", "embeddings", "words", "tokens")
    ),
    ("top_k", "candidates"),
    ("embedding", "candidates"),
]


@pytest.mark.parametrize(("actions", "observation"), COMBINATIONS)
def test_every_observation_lies_in_its_space(checkpoint, actions, observation):
    env = make_small(checkpoint, actions=actions, observation=observation)
    assert env.observation_space.contains(env.reset(seed=0)[0])
    env.action_space.seed(0)
    for _ in range(4):
        observations, _, terminated, _, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observations)
        if terminated.any():
            return


class TextLength:
    """A feature of a caller: characters of the completion, in hundreds."""

    def __init__(self, view=None, *, name="text_length"):
        self.columns = {name: (np.zeros(1), np.ones(1))}

    def encode(self, outputs, episodes):
        return np.array([[min(len(text) / 100, 1.0)] for text in episodes.texts])


@pytest.mark.parametrize(
    "feature", [f"{__name__}:TextLength", TextLength, TextLength()], ids=["path", "class", "object"]
)
@pytest.mark.parametrize("kind", ["hidden", "embeddings", "candidates"])
def test_a_callers_feature_is_a_column_under_its_name(checkpoint, kind, feature):
    env = make_small(checkpoint, observation={"kind": kind, "features": [feature]})
    env.reset(seed=0)
    observations = env.step(np.zeros(3, int))[0]
    lengths = [len(t.text) / 100 for t in env.transcripts]
    own = observations[:, env.observation.columns["text_length"]]
    np.testing.assert_allclose(own[:, 0], lengths, atol=1e-6)
    assert env.observation.columns["text_length"].stop == observations.shape[1]
    assert env.single_observation_space.columns == env.observation.columns


def test_two_features_of_one_name_are_refused(checkpoint):
    spec = {"kind": "hidden", "features": [TextLength(), TextLength(name="text_length")]}
    with pytest.raises(ValueError, match="two features with columns named 'text_length'"):
        make_small(checkpoint, observation=spec)
    with pytest.raises(ValueError, match="two features with columns named 'budget_left'"):
        make_small(
            checkpoint, observation={"kind": "hidden", "features": [TextLength(name="budget_left")]}
        )


class Steps:
    """An observation of a caller: the number of steps."""

    def __init__(self, view=None, *, limit=99):
        self.space = gym.spaces.Box(0, limit, (1,), np.int64)

    def encode(self, outputs, episodes):
        return episodes.steps[:, None].copy()


@pytest.mark.parametrize("spec", [f"{__name__}:Steps", Steps, Steps(), {"kind": Steps, "limit": 9}])
def test_a_callers_observation_is_shown(checkpoint, spec):
    env = make_small(checkpoint, observation=spec)
    assert env.reset(seed=0)[0].tolist() == [[0], [0], [0]]
    assert env.step(np.zeros(3, int))[0].tolist() == [[1], [1], [1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": "vocabulary", "observation": "candidates"}, "which have none; allowed: 'hid"),
        ({"observation": {"kind": "embeddings", "last": 0}}, "last=0; allowed: a whole number"),
        ({"observation": {"kind": "embeddings", "lats": 3}}, "'lats'.*Did you mean 'last'"),
        ({"observation": {"kind": "tokens", "reducer": "x"}}, "unknown option 'reducer'"),
        ({"observation": {"kind": Steps, "limits": 3}}, "'limits' of .*'Steps'.*mean 'limit'"),
        ({"observation": "pixels"}, "observation kind='pixels'; allowed: 'hidden'"),
        ({"observation": {"kind": "hidden", "features": ["os:Path"]}}, "feature 'os:Path', but no"),
    ],
)
def test_a_wrong_spec_is_refused(checkpoint, options, message):
    with pytest.raises(ValueError, match=message):
        make_small(checkpoint, **options)
