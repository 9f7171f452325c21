"""Vectors with named columns, and token ids."""

import numpy as np
import pytest

from lm_envs.envs.observations import TokensObservation, VectorObservation
from lm_envs.envs.observations.base import ColumnBox
from tests.envs.helpers import make, make_small, text_ids


def test_tokens_are_the_whole_text(checkpoint):
    env = make_small(checkpoint, observation="tokens", actions="vocabulary")
    env.reset(seed=0)
    for _ in range(3):
        observations = env.step(np.arange(1, 4))[0]
    for row, text in enumerate(text_ids(env)):
        length = observations["length"][row, 0]
        assert observations["tokens"][row, :length].tolist() == text.tolist()
        assert not observations["tokens"][row, length:].any()


def test_tokens_of_an_episode_that_is_over_end_with_its_last_line():
    """Regression: the line that was chosen last was not observed."""
    options = {"actions": "choices", "observation": "tokens"}
    env = make(2, env_id="lm_envs/Translation-v0", **options)
    env.reset(seed=0)
    observations, _, terminated, _, _ = env.step(np.array([1, 2]))
    assert terminated.all()
    for row, text in enumerate(text_ids(env)):
        length = observations["length"][row, 0]
        assert observations["tokens"][row, :length].tolist() == text.tolist()


class Ones:
    """Two columns that are 1."""

    def __init__(self, name):
        self.columns = {name: (np.zeros(2), np.ones(2))}

    def encode(self, outputs, episodes):
        return np.ones((len(outputs.hidden), 2))


def test_columns_stand_in_the_order_of_the_features():
    vector = VectorObservation([Ones("first"), Ones("second")])
    assert vector.columns == {"first": slice(0, 2), "second": slice(2, 4)}
    assert isinstance(vector.space, ColumnBox)
    assert vector.space.columns == vector.columns


def test_two_features_of_one_name_are_refused():
    with pytest.raises(ValueError, match="Got two features with columns named 'first'; rename one"):
        VectorObservation([Ones("first"), Ones("first")])


def test_token_ids_lie_below_the_vocabulary_size():
    space = TokensObservation(vocab_size=9, capacity=4).space
    assert space["tokens"].high.tolist() == [8] * 4
    assert space["length"].high.tolist() == [4]
