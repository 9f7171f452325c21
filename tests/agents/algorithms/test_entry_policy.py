"""Logits of entries: a weighted sum of their columns, and what a network adds."""

import numpy as np
import pytest
import torch

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.baselines.rules.tuning.eviction import FOUND, weighted_entries
from agents.config.loading import UserError
from tests.agents.finished_run import CONFIG, changed

SIZE = 8


def agent_of(env_id="lm_envs/CacheEviction-v0", **arguments):
    env = CONFIG.env.model_copy(update={"id": env_id, "n_envs": 4, "kwargs": arguments})
    named = {"name": "PPO", "policy": "EntryPolicy", "kwargs": {"n_steps": 4, "batch_size": 8}}
    config = changed(env=env, algorithm=CONFIG.algorithm.model_validate(named))
    env = make_training_env(config)
    return make_algorithm(config, env, None), env


@pytest.fixture(scope="module", params=[False, True])
def made(request):
    """An agent and observations, without and with the attention of each head."""
    agent, env = agent_of(cache_size=SIZE, adjustments=6, by_head=request.param)
    return agent, torch.from_numpy(env.reset())


def logits_of(agent, observations):
    with torch.no_grad():
        return agent.policy.mlp_extractor.forward_actor(observations)


def test_untrained_it_evicts_as_the_rule_does(made):
    agent, observations = made
    env = agent.get_env().vector_env
    expected = weighted_entries(FOUND)(env, observations.numpy())
    actions, _ = agent.predict(observations.numpy(), deterministic=True)
    np.testing.assert_array_equal(actions, expected)
    assert len(set(expected.tolist())) > 1


def test_entries_that_change_places_take_their_logits_along(made):
    agent, observations = made
    judge = agent.policy.mlp_extractor
    with torch.no_grad():
        for parameter in judge.score.parameters():
            parameter.normal_()
    order = torch.tensor([3, 1, 0, 2, 7, 6, 5, 4])
    own = observations.shape[1] - 2  # all but next_surprise and budget_left
    columns = observations[:, :own].unflatten(1, (-1, SIZE))[:, :, order].flatten(1)
    moved = torch.cat([columns, observations[:, own:]], 1)
    expected = logits_of(agent, observations)
    torch.testing.assert_close(logits_of(agent, moved), expected[:, order])
    assert expected.std() > 0.1
    assert not torch.allclose(logits_of(agent, moved), expected)  # the control: places differ


def test_it_learns_from_rewards():
    agent, _ = agent_of(cache_size=SIZE, adjustments=6, prompt_tokens=4)
    before = [each.clone() for each in agent.policy.parameters()]
    agent.learn(32)
    changes = [
        (now - old).abs().max().item()
        for now, old in zip(agent.policy.parameters(), before, strict=True)
    ]
    assert all(np.isfinite(changes))
    assert sum(change > 0 for change in changes) > len(changes) / 2


def test_other_environments_are_refused():
    with pytest.raises(UserError, match="needs lm_envs/CacheEviction-v0"):
        agent_of("lm_envs/StructureSearch-v0", passages=2)
