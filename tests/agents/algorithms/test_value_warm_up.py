"""While the critic warms up, the probabilities of actions stay and values move."""

import numpy as np
import pytest
import torch

from agents.algorithms.factory import make_algorithm, make_evaluation_env, make_training_env
from agents.algorithms.value_warm_up import actor_parameters, set_learning
from agents.config.train import AlgorithmConfig
from agents.runs import logs
from agents.runs.callbacks import TrainingCallback
from tests.agents.finished_run import changed

SHARED = {"share_features_extractor": True}
POLICIES = [
    ("PPO", None, {}),
    ("A2C", None, {}),
    ("MaskablePPO", None, {}),
    ("PPO", "CandidatePolicy", {}),
    ("PPO", "MultiInputPolicy", {"share_features_extractor": False}),
    ("PPO", "MultiInputPolicy", SHARED),
]


def config_of(name, policy, policy_kwargs, **updates):
    kwargs = {"n_steps": 16, "policy_kwargs": policy_kwargs}
    kwargs |= {} if name == "A2C" else {"batch_size": 32}
    env = changed().env
    if policy == "MultiInputPolicy":
        values = {"id": "lm_envs/Captioning-v0", "n_envs": 4, "split": "train[:2%]"}
        env = env.model_validate({**values, "kwargs": {"kind": "object", "max_new_tokens": 7}})
    algorithm = AlgorithmConfig(name=name, policy=policy, kwargs=kwargs)
    return changed(env=env, algorithm=algorithm, total_timesteps=192, **updates)


def outputs(agent):
    """Log-probabilities of all actions and values, for observations of the first reset."""
    agent.env.seed(0)
    observations = agent.policy.obs_to_tensor(agent.env.reset())[0]
    with torch.no_grad():
        logits = agent.policy.get_distribution(observations).distribution.logits
        return logits.numpy(), agent.policy.predict_values(observations).numpy()


@pytest.mark.parametrize(("name", "policy", "policy_kwargs"), POLICIES)
def test_the_actor_stays_until_the_warm_up_is_over_and_then_learns(
    tmp_path, name, policy, policy_kwargs
):
    found = {}
    for warm_up in (192, 64):  # 64 steps a rollout: three, or one
        config = config_of(name, policy, policy_kwargs, value_warm_up=warm_up)
        agent = make_algorithm(config, make_training_env(config), None)
        agent.set_logger(logs.make_logger(tmp_path))
        before = outputs(agent)
        agent.learn(
            192, TrainingCallback(config, tmp_path, make_evaluation_env(config, "validation", 4))
        )
        found[warm_up] = [np.abs(a - b).max() for a, b in zip(before, outputs(agent), strict=True)]
    assert found[192][0] == 0.0
    assert found[192][1] > 0.0
    assert min(found[64]) > 0.0


@pytest.mark.parametrize(("shared", "in_actor"), [(False, False), (True, True)])
def test_a_network_that_actor_and_critic_share_is_the_actors(shared, in_actor):
    config = config_of("PPO", "MultiInputPolicy", {"share_features_extractor": shared})
    agent = make_algorithm(config, make_training_env(config), None)
    agent.learn(64)
    mine = {id(each) for each in actor_parameters(agent)}
    critic = next(agent.policy.vf_features_extractor.parameters())
    assert (id(critic) in mine) is in_actor
    assert id(agent.policy.action_net.weight) in mine
    assert id(agent.policy.value_net.weight) not in mine


def test_learning_is_switched_off_and_on():
    parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in range(2)]
    set_learning(parameters[:1], is_on=False)
    assert [each.requires_grad for each in parameters] == [False, True]
    set_learning(parameters, is_on=True)
    assert all(each.requires_grad for each in parameters)
