import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import data_equivalence
from lm_envs_docs import facts

ENV_IDS = facts.own_ids()


def test_own_ids_are_those_that_importing_registers():
    registered = {name for name in gym.registry if name.startswith("lm_envs/")}
    assert set(ENV_IDS) == registered
    assert len(ENV_IDS) >= 10


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_arguments_are_accepted_with_the_defaults_that_are_listed(env_id, envs):
    env = envs[env_id]
    listed = facts.arguments(env)
    assert all(each.meaning for each in listed), [each.name for each in listed if not each.meaning]
    explicit = gym.make(env_id, **{each.name: each.default for each in listed})
    assert facts.space_text(explicit.action_space) == facts.space_text(env.action_space)
    expected, info = env.reset(seed=3)
    observation, explicit_info = explicit.reset(seed=3)
    assert data_equivalence(observation, expected)
    assert explicit_info == info
    action = facts.next_action(env)
    assert explicit.step(action)[1] == env.step(action)[1]


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_columns_cover_the_observation(env_id, envs):
    space = envs[env_id].observation_space
    listed = facts.columns(space)
    assert sum(each.size for each in listed) == gym.spaces.flatdim(space)


def test_an_unlisted_argument_is_refused(envs):
    names = {each.name for each in facts.arguments(envs["lm_envs/WeightTuning-v0"])}
    assert "rewards" not in names
    with pytest.raises((TypeError, ValueError), match="rewards"):
        gym.make("lm_envs/WeightTuning-v0", rewards={"fluency": 1.0})
