"""States of a small model, and a reducer of each kind fitted on them."""

import gymnasium as gym
import pytest

from agents.evaluation.reducer_fitting import fit, sample_states
from lm_envs.model.loading import fingerprint
from tests.envs.helpers import ID
from tests.envs.observations.reducer_options import OPTIONS


@pytest.fixture(scope="session")
def arguments(checkpoint):
    """Arguments of an environment on the small model."""
    return {"model": str(checkpoint), "max_new_tokens": 4, "actions": {"kind": "top_k", "k": 4}}


@pytest.fixture(scope="session")
def states(arguments):
    """600 sampled observations (600, D)."""
    env = gym.make_vec(ID, num_envs=16, autoreset_mode="same_step", **arguments)
    return sample_states(env, 600)


@pytest.fixture(scope="session")
def reducers(states, checkpoint):
    """A reducer of each kind."""
    model = fingerprint(str(checkpoint))
    return {kind: fit(kind, states, model, options) for kind, options in OPTIONS.items()}
