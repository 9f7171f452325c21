import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import ARS
from stable_baselines3.common.env_util import make_vec_env

from agents.algorithms.ars import RandomSearch


class Signs(gym.Env):
    """Shows three numbers and pays for the first one's sign; action 0 takes twice the time."""

    observation_space = gym.spaces.Box(-2, 2, (3,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length=9):
        self.length, self.steps_taken = length, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.rng = np.random.default_rng(0)  # every episode is the same one
        self.left = self.length
        return self._look(), {}

    def step(self, action):
        reward = float((self.seen[0] > 0) == action)
        self.left -= 1 if action else 2
        self.steps_taken += 1
        return self._look(), reward, self.left <= 0, False, {}

    def _look(self):
        self.seen = self.rng.uniform(-2, 2, 3).astype(np.float32)
        return self.seen


def search(num_rows=3, kind=RandomSearch, **kwargs):
    settings = {"n_delta": 4, "n_eval_episodes": 2, "learning_rate": 0.1} | kwargs
    rows = make_vec_env(Signs, n_envs=num_rows)
    return kind("LinearPolicy", rows, seed=0, **settings)


def update(agent, number=0):
    """Learns once, by the draws of a number."""
    torch.manual_seed(number)
    agent.learn(1)


@pytest.mark.parametrize("num_rows", [1, 3, 16, 50])
def test_updates_are_those_of_sb3_contrib_with_one_row(num_rows):
    """Episodes take 5 to 9 steps; steps of rows after their episode or without one do not count."""
    theirs, ours = search(1, ARS, n_top=3), search(num_rows, n_top=3)
    for number in range(4):
        before = ours.weights
        for agent in (theirs, ours):
            update(agent, number)
        assert not torch.equal(ours.weights, before)
        assert torch.equal(ours.weights, theirs.weights)


def test_a_bonus_for_each_step_counts_as_in_sb3_contrib():
    theirs, ours = (search(kind=kind, alive_bonus_offset=-0.5) for kind in (ARS, RandomSearch))
    without = search()
    for agent in (theirs, ours, without):
        update(agent)
    assert torch.equal(ours.weights, theirs.weights)
    assert not torch.equal(ours.weights, without.weights)


def test_each_step_of_each_row_counts_once():
    """Regression of sb3-contrib: a step of N rows counted up to N times N."""
    agent = search(num_rows=3).learn(100)
    taken = agent.env.get_attr("steps_taken")
    assert agent.num_timesteps == sum(taken) >= 100


def test_an_episode_is_reported_once():
    agent = search(num_rows=50)
    update(agent)
    assert len(agent.ep_info_buffer) == 8 * 2


def test_a_callback_stops_the_training_and_leaves_the_weights():
    agent = search(num_rows=3)
    agent.learn(1)
    before = agent.weights.clone()
    agent.learn(10**9, lambda *_: agent.num_timesteps < 30)
    assert agent.num_timesteps == 30
    assert torch.equal(agent.weights, before)


def test_a_falling_rate_falls_to_its_end_where_learning_goes_on():
    """Regression of sb3-contrib: it fell below 0 once learning had gone on."""
    seen = []
    agent = search(learning_rate=lambda left: seen.append(left) or 0.1 * left)
    agent.learn(300)
    agent.learn(300, reset_num_timesteps=False)
    assert seen[-1] == pytest.approx(0.0, abs=0.25)
    assert min(seen) >= 0.0


@pytest.mark.parametrize("policy", ["LinearPolicy", "MlpPolicy"])
def test_it_learns_which_number_counts(policy):
    rows = make_vec_env(lambda: Signs(20), n_envs=8)
    settings = {"n_delta": 8, "n_eval_episodes": 1, "zero_policy": policy == "LinearPolicy"}
    agent = RandomSearch(policy, rows, seed=0, delta_std=0.1, learning_rate=0.1, **settings)
    agent.learn(20_000)
    states = np.random.default_rng(5).uniform(-2, 2, (500, 3)).astype(np.float32)
    chosen = agent.predict(states)[0]
    assert (chosen == (states[:, 0] > 0)).mean() > 0.8


def test_points_are_chosen_too():
    class Points(Signs):
        action_space = gym.spaces.Box(-1, 1, (2,))

        def step(self, action):
            assert self.action_space.contains(action)
            return super().step(bool(action[0] > 0))

    rows = make_vec_env(Points, n_envs=4)
    agent = RandomSearch("LinearPolicy", rows, seed=0, n_delta=2, delta_std=5.0)
    before = agent.weights.clone()
    assert not torch.equal(agent.learn(200).weights, before)
