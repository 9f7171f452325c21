"""Advantages that are compared within a group: exact small cases, rollouts, algorithms."""

import warnings
from itertools import product

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import RolloutBuffer

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.algorithms.group_baseline import (
    GROUPED,
    GroupBaseline,
    GroupRolloutBuffer,
    MaskableGroupRolloutBuffer,
    Steps,
    less_others,
)
from agents.config.train import AlgorithmConfig
from tests.agents.finished_run import changed

OBSERVATIONS, ACTIONS = gym.spaces.Box(0.0, 1.0, (1,)), gym.spaces.Discrete(2)


def steps(*rows):
    """Steps given as (group, episode, step, advantage)."""
    table = np.array(rows, np.float64)
    return Steps(table[:, :3].T.astype(np.int64), table[:, 3])


def test_the_mean_of_the_others_at_the_same_step_is_subtracted():
    rows = [(0, 1, 0, 1.0), (0, 1, 0, 3.0), (0, 1, 0, 5.0), (0, 1, 1, 7.0)]
    got, share = less_others(steps(*rows))
    np.testing.assert_array_equal(got, [1.0 - 4.0, 3.0 - 3.0, 5.0 - 2.0, 7.0])
    assert share == 3 / 4


def test_other_episodes_and_other_groups_are_not_compared():
    new = steps((0, 1, 0, 1.0), (0, 2, 0, 3.0), (1, 1, 0, 5.0))
    got, share = less_others(new)
    np.testing.assert_array_equal(got, new.advantages)
    assert share == 0.0


def test_steps_of_earlier_rollouts_are_compared_with_and_do_not_change():
    earlier = steps((0, 1, 0, 10.0), (0, 1, 0, 20.0), (1, 1, 0, 90.0))
    got, share = less_others(steps((0, 1, 0, 1.0), (0, 1, 1, 2.0)), earlier)
    np.testing.assert_array_equal(got, [1.0 - 15.0, 2.0])
    assert share == 1 / 2


def test_the_expected_gradient_stays_and_its_variance_falls():
    """One step, two actions; half of the examples earn 10 more, which no critic can know."""
    chance, own = 0.3, np.array([0.0, 1.0])  # of action 1; what the actions earn
    plain, grouped, chances = [], [], []
    for offset, *taken in product((0.0, 10.0), (0, 1), (0, 1)):
        actions = np.array(taken)
        advantages = own[actions] + offset - 5.3
        compared, _ = less_others(steps(*((0, 1, 0, each) for each in advantages)))
        slopes = actions - chance  # of the log-probability by the logit
        plain.append((slopes * advantages).mean())
        grouped.append((slopes * compared).mean())
        chances.append(0.5 * np.where(actions == 1, chance, 1.0 - chance).prod())
    weights = np.array(chances)
    exact = chance * (1.0 - chance)
    for each in (plain, grouped):
        assert weights @ each == pytest.approx(exact, abs=1e-6)
    variances = [weights @ (np.array(each) - exact) ** 2 for each in (plain, grouped)]
    np.testing.assert_allclose(variances, [2.6418, 0.0609], rtol=1.0e-4)


def filled(kind, starts, rewards, **options):
    """A full buffer in which an advantage is the reward alone."""
    num_steps, num_rows = starts.shape
    space = (OBSERVATIONS, ACTIONS)
    buffer = kind(num_steps, *space, "cpu", gae_lambda=0.0, gamma=0.0, n_envs=num_rows, **options)
    refill(buffer, starts, rewards)
    return buffer


def refill(buffer, starts, rewards):
    num_rows, nothing = starts.shape[1], torch.zeros(starts.shape[1])
    buffer.reset()
    for row_starts, row_rewards in zip(starts, rewards, strict=True):
        step = (np.zeros((num_rows, 1)), np.zeros((num_rows, 1)), row_rewards)
        buffer.add(*step, row_starts, nothing, nothing)
    buffer.compute_returns_and_advantage(nothing, np.zeros(num_rows))


def numbered(starts):
    """Returns the number of each step's episode and of the step in it, both (T, N)."""
    episodes, numbers = np.cumsum(starts, axis=0), np.zeros(starts.shape, np.int64)
    for time in range(1, len(starts)):
        numbers[time] = np.where(starts[time] > 0, 0, numbers[time - 1] + 1)
    return episodes, numbers


def test_each_step_is_compared_with_all_that_others_did_before_the_rollout_ends():
    """Rows drift apart over four rollouts; an exact comparison of each pair of steps, slowly."""
    rng = np.random.default_rng(0)
    starts = (rng.random((24, 6)) < 0.3).astype(np.float32)
    starts[0] = 1.0
    rewards = rng.normal(size=(24, 6)).astype(np.float32)
    episodes, numbers = numbered(starts)
    buffer = filled(GroupRolloutBuffer, starts[:6], rewards[:6], group_size=3)
    for begin in range(0, 24, 6):
        if begin:
            refill(buffer, starts[begin : begin + 6], rewards[begin : begin + 6])
        for time, row in product(range(begin, begin + 6), range(6)):
            is_other = np.arange(6) // 3 == row // 3
            is_other[row] = False
            same = (episodes == episodes[time, row]) & (numbers == numbers[time, row])
            known = (same & is_other)[: begin + 6]
            others = rewards[: begin + 6][known]
            wanted = rewards[time, row] - (others.mean() if others.size else 0.0)
            assert buffer.advantages[time - begin, row] == pytest.approx(wanted, abs=1e-6)


def test_steps_are_forgotten_when_all_rows_of_the_group_have_ended_the_episode():
    starts, rewards = np.ones((3, 4), np.float32), np.ones((3, 4), np.float32)
    starts[1:, 1] = 0.0  # the second row stays in its first episode
    buffer = filled(GroupRolloutBuffer, starts, rewards, group_size=2)
    groups, kept, _ = buffer.open_steps.keys
    assert sorted(kept[groups == 0]) == [1, 1, 1, 1, 2, 3]
    assert list(kept[groups == 1]) == [3, 3]


def test_returns_are_those_of_the_plain_buffer():
    """The critic learns what it can foresee, not what the others had."""
    starts, rewards = np.ones((2, 4), np.float32), np.arange(8, dtype=np.float32).reshape(2, 4)
    grouped = filled(GroupRolloutBuffer, starts, rewards, group_size=2)
    plain = filled(RolloutBuffer, starts, rewards)
    np.testing.assert_array_equal(grouped.returns, plain.returns)


def test_groups_that_are_hardly_compared_are_reported_once():
    starts = np.ones((2, 2), np.float32)
    rewards = np.ones((2, 2), np.float32)
    buffer = filled(GroupRolloutBuffer, starts, rewards, group_size=2)
    assert buffer.compared == 1.0
    starts[:, 1] = 0.0  # the second row stays in its second episode
    with pytest.warns(UserWarning, match="Got a rollout in which 0% of the steps"):
        refill(buffer, starts, rewards)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refill(buffer, starts, rewards)


def test_rows_that_cannot_be_divided_are_refused():
    with pytest.raises(ValueError, match=r"Got group_size=3; allowed: a divisor of 4"):
        GroupRolloutBuffer(2, OBSERVATIONS, ACTIONS, n_envs=4, group_size=3)


@pytest.mark.parametrize("name", GROUPED)
def test_an_algorithm_compares_rows_of_one_prompt(name):
    kwargs = {"n_steps": 8} | ({"batch_size": 16} if name != "A2C" else {})
    algorithm = AlgorithmConfig(name=name, kwargs=kwargs)
    config = changed(algorithm=algorithm, group_size=2)
    env = make_training_env(config)
    model = make_algorithm(config, env, None)
    env.reset()
    examples = [each.index for each in env.vector_env.episodes.examples]
    assert examples[0] == examples[1]
    assert examples[2] == examples[3]
    assert examples[1] != examples[2]
    model.learn(64)
    buffer = model.rollout_buffer
    assert isinstance(buffer, GroupBaseline)
    assert isinstance(buffer, MaskableGroupRolloutBuffer) == (name == "MaskablePPO")
    assert buffer.counts[0].min() > 1


@pytest.mark.filterwarnings("ignore:Left out")
def test_observations_of_several_parts_are_stored_too():
    values = {"id": "lm_envs/Captioning-v0", "n_envs": 4, "split": "train[:2%]"}
    env = changed().env.model_validate({**values, "kwargs": {"max_new_tokens": 7}})
    algorithm = AlgorithmConfig(
        name="PPO", policy="MultiInputPolicy", kwargs={"n_steps": 8, "batch_size": 16}
    )
    config = changed(env=env, algorithm=algorithm, group_size=2)
    model = make_algorithm(config, make_training_env(config), None)
    model.learn(32)
    assert isinstance(model.rollout_buffer, GroupBaseline)
