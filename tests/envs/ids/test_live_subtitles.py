"""`lm_envs/LiveSubtitles-v0`: its defaults and the contract."""

import gymnasium as gym
import numpy as np

from lm_envs.testing import check_environment
from tests.envs.helpers import make

ID = "lm_envs/LiveSubtitles-v0"


def test_the_spaces_are_those_of_the_page():
    env = make(2, env_id=ID)
    assert env.single_action_space == gym.spaces.Discrete(2)
    hidden = env.outputs.hidden.shape[1]
    assert env.single_observation_space.shape == (3 * hidden + 13,)
    assert make(2, env_id=ID, observation="candidates").single_observation_space.shape == (
        2 * hidden + 13,
    )


def test_the_contract_holds_in_all_modes():
    check_environment(ID, steps=12, spoken_words=5)


def test_an_episode_has_as_many_steps_as_words():
    env = gym.make(ID, split="test", spoken_words=7)
    env.reset(seed=0)
    endings = [env.step(number % 2)[2] for number in range(7)]
    assert endings == [False] * 6 + [True]


def test_sparse_rewards_add_up_to_the_same():
    totals = []
    for dense in (True, False):
        env = make(3, env_id=ID, dense=dense)
        env.reset(seed=1)
        rewards = [env.step(np.arange(3) % 2)[1] for _ in range(32)]
        totals.append(np.sum(rewards, 0))
    np.testing.assert_allclose(totals[0], totals[1], atol=1e-9)
