"""Logits of parts: what each gains alone, and what a network adds."""

import numpy as np
import pytest
import torch

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.config.loading import UserError
from tests.agents.finished_run import CONFIG, changed

PARTS = 20


def agent_of(probes=True):
    arguments = {"passages": 2, "adjustments": 4, "probes": probes}
    env = CONFIG.env.model_copy(
        update={"id": "lm_envs/StructureSearch-v0", "n_envs": 3, "kwargs": arguments}
    )
    named = {"name": "MaskablePPO", "policy": "PartPolicy", "kwargs": {"n_steps": 4}}
    config = changed(env=env, algorithm=CONFIG.algorithm.model_validate(named))
    env = make_training_env(config)
    return make_algorithm(config, env, None), env


@pytest.fixture(scope="module")
def made():
    agent, env = agent_of()
    return agent, torch.from_numpy(env.reset())


def test_untrained_it_prefers_the_parts_that_gain_most_alone(made):
    agent, observations = made
    logits = agent.policy.get_distribution(observations).distribution.logits
    order = logits[:, 1:].argsort(1)
    np.testing.assert_array_equal(order, observations[:, :PARTS].argsort(1))


def test_a_learned_number_tells_parts_apart_that_gain_the_same(made):
    """The network is the same for all parts: without the learned numbers their logits are equal."""
    agent, observations = made
    judge = agent.policy.mlp_extractor
    alike = observations.clone()
    alike[:, :PARTS] = 0.01
    with torch.no_grad():
        for parameter in judge.score.parameters():
            parameter.normal_()
        apart = judge.forward_actor(alike)[:, 1:].std(1)
        kept = judge.identity.clone()
        judge.identity.zero_()
        together = judge.forward_actor(alike)[:, 1:].std(1)
        judge.identity.copy_(kept)
        judge.begin_as_the_gains()
    assert (apart > 0.1).all()
    assert (together < 1e-4).all()


def test_it_learns_from_rewards():
    agent, _ = agent_of()
    before = [each.clone() for each in agent.policy.parameters()]
    agent.learn(12)
    assert any((a != b).any() for a, b in zip(before, agent.policy.parameters(), strict=True))


def test_observations_without_gains_are_refused():
    with pytest.raises(UserError, match=r"needs lm_envs/StructureSearch-v0 with probes=True"):
        agent_of(probes=False)
