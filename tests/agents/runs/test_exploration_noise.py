import gymnasium as gym
import pytest
import torch
from stable_baselines3 import DQN, PPO, SAC

from agents.runs.exploration_noise import exploration_noise, restore_exploration_noise


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_restored_noise_gives_the_same_actions_and_the_same_draws(kind):
    agent = kind("MlpPolicy", gym.make("Pendulum-v1"), use_sde=True, seed=0)
    noisy = getattr(agent, "actor", None) or agent.policy
    observation = agent.observation_space.sample()
    noisy.reset_noise(1)
    state = exploration_noise(agent)
    before = agent.predict(observation)[0], torch.rand(3)
    noisy.reset_noise(1)
    assert (agent.predict(observation)[0] != before[0]).any()
    restore_exploration_noise(agent, state)
    assert (agent.predict(observation)[0] == before[0]).all()
    assert torch.equal(torch.rand(3), before[1])


def test_other_exploration_has_no_noise_to_keep():
    agent = DQN("MlpPolicy", gym.make("CartPole-v1"), seed=0)
    state = exploration_noise(agent)
    expected = torch.get_rng_state()
    restore_exploration_noise(agent, state)
    assert state == {}
    assert torch.equal(torch.get_rng_state(), expected)
