"""Agents and models come back from a hub as they were sent."""

import numpy as np
import pytest

import agents
from agents.config.loading import UserError
from agents.push.__main__ import push
from lm_envs.model.loading import locate


def test_an_agent_acts_as_it_did_in_its_run_folder(run_folder, tmp_path):
    push(run_folder, str(tmp_path / "agent"))
    ours, env = agents.load(run_folder, num_envs=4)
    theirs, _ = agents.load_from_hub(str(tmp_path / "agent"), num_envs=4)
    observations, _ = env.reset(seed=3)
    for _ in range(4):
        actions = ours(observations)
        np.testing.assert_array_equal(theirs(observations), actions)
        observations = env.step(actions)[0]


def test_a_model_is_a_folder_for_an_environment(tmp_path):
    import gymnasium as gym

    push(locate("embedded"), str(tmp_path / "model"))
    folder = agents.model_from_hub(str(tmp_path / "model"))
    env = gym.make("lm_envs/NextWord-v0", model=str(folder), max_new_tokens=2)
    assert env.reset(seed=0)[0].shape == env.observation_space.shape


def test_an_agent_and_a_model_are_not_confused(run_folder, tmp_path):
    push(run_folder, str(tmp_path / "agent"))
    push(locate("embedded"), str(tmp_path / "model"))
    with pytest.raises(UserError, match=r"no config\.yaml.*agents\.model_from_hub"):
        agents.load_from_hub(str(tmp_path / "model"))
    with pytest.raises(UserError, match=r"no model\.safetensors.*agents\.load_from_hub"):
        agents.model_from_hub(str(tmp_path / "agent"))


def test_imports_of_a_configuration_need_trust(run_folder, tmp_path):
    target = tmp_path / "agent"
    push(run_folder, str(target))
    config = (target / "config.yaml").read_text().replace("imports: []", "imports: [os]")
    (target / "config.yaml").write_text(config)
    with pytest.raises(UserError, match=r"imports os.*--trust-imports"):
        agents.load_from_hub(str(target))
