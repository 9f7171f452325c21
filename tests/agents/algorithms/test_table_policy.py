import gymnasium as gym
import numpy as np
import torch

from agents.algorithms.table_policy import TablePolicy


def make_policy(num_tables=1):
    spaces = gym.spaces.Discrete(3), gym.spaces.Discrete(4)
    return TablePolicy(*spaces, num_tables)


def test_the_sum_of_the_tables_is_acted_on_and_the_first_of_equals_wins():
    policy = make_policy(num_tables=2)
    policy.tables[0, 1] = torch.tensor([0.0, 3.0, 0.0, 0.0])
    policy.tables[1, 1] = torch.tensor([4.0, 0.0, 0.0, 4.0])
    assert policy.act(np.array([0, 1]), deterministic=True).tolist() == [0, 0]


def test_epsilon_is_the_share_of_random_actions():
    policy = make_policy()
    policy.tables[0, 0, 2] = 1.0
    policy.epsilon.fill_(0.4)
    torch.manual_seed(0)
    actions = policy.act(np.zeros(20_000, np.int64), deterministic=False)
    shares = np.bincount(actions, minlength=4) / len(actions)
    np.testing.assert_allclose(shares, [0.1, 0.1, 0.7, 0.1], atol=0.02)


def test_one_observation_gives_one_action():
    action, state = make_policy().predict(np.array(2), deterministic=True)
    assert action.shape == ()
    assert state is None


def test_the_names_of_saved_tensors_stay():
    assert set(make_policy().state_dict()) == {"tables", "visits", "epsilon"}
