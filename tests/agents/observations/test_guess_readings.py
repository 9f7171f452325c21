"""Guesses of the source as columns of an observation."""

import numpy as np
import pytest

from agents.baselines.rules.simultaneous.guess_readings import NAMES
from agents.baselines.rules.simultaneous.guess_readings import GuessReadings as Readings
from agents.observations.guess_readings import PATH
from lm_envs.envs.actions.read_write import READ, WRITE
from tests.envs.helpers import make


def guessing(mode):
    observation = {"kind": "candidates", "features": [PATH]}
    options = {"mode": mode, "split": "validation", "observation": observation}
    return make(8, env_id="lm_envs/Translation-v0", **options)


def test_columns_are_the_numbers_of_the_rows_after_every_step():
    env = guessing("simultaneous")
    observations, _ = env.reset(options={"index": np.arange(0, 600, 75)})
    columns = env.single_observation_space.columns
    for action in (WRITE, READ, WRITE, READ):
        numbers = Readings(env.actions).of(env.actions)
        shown = np.concatenate([observations[:, columns[name]] for name in NAMES], axis=1)
        np.testing.assert_allclose(shown, numbers, atol=1e-6)
        assert numbers.std(0).max() > 0.1
        observations = env.step(np.full(8, action))[0]


def test_other_environments_are_refused():
    with pytest.raises(ValueError, match='mode="simultaneous"'):
        guessing("whole")
