"""Minibatches of whole texts, and advantages."""

import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.utils import obs_as_tensor

from tests.agents.language_model.language_agents import ROWS, STEPS, collect, make_agent, make_env


def test_every_step_is_in_one_minibatch(checkpoint):
    buffer = collect(make_agent(checkpoint))
    returns = np.concatenate([batch.returns.numpy() for batch in buffer.get(20)])
    np.testing.assert_allclose(np.sort(returns), np.sort(buffer.returns.ravel()))


def test_loss_and_gradient_are_those_of_single_transitions(checkpoint):
    agent = make_agent(
        checkpoint, batch_size=ROWS * STEPS, normalize_advantage=False, learning_rate=0.0
    )
    episodes = collect(agent)
    single = DictRolloutBuffer(
        STEPS, agent.observation_space, agent.action_space, "cpu", 0.95, 0.99, ROWS
    )
    for name in ("actions", "rewards", "returns", "episode_starts", "values"):
        getattr(single, name)[...] = getattr(episodes, name)
    single.log_probs[...], single.advantages[...] = episodes.log_probs, episodes.advantages
    for name, values in episodes.observations.items():
        single.observations[name][...] = values
    single.full = True
    agent.policy.double()
    gradients = []
    for buffer in (episodes, single):
        agent.policy.optimizer = torch.optim.SGD(agent.policy.parameters(), lr=0.0)
        agent.rollout_buffer, agent.max_grad_norm = buffer, 1e9
        agent.train()
        gradients.append([p.grad.clone() for p in agent.policy.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert max(gradient.abs().max() for gradient in gradients[0]) > 1e-3


def test_advantages_are_those_of_stable_baselines3(checkpoint):
    agent = make_agent(checkpoint)
    ours = collect(agent)
    theirs = DictRolloutBuffer(
        STEPS, agent.observation_space, agent.action_space, "cpu", ours.gae_lambda, ours.gamma, ROWS
    )
    for name in ("rewards", "episode_starts", "values"):
        getattr(theirs, name)[...] = getattr(ours, name)
    last = agent.policy.predict_values(obs_as_tensor(agent._last_obs, "cpu")).detach()
    theirs.compute_returns_and_advantage(last, agent._last_episode_starts)
    np.testing.assert_array_equal(ours.advantages, theirs.advantages)


def test_groups_compare_episodes_of_one_prompt(checkpoint):
    agent = make_agent(checkpoint, rollout_buffer_kwargs={"advantage": "group"})
    agent.env.set_options([{"index": 3}] * ROWS)
    buffer = collect(agent)
    first = {}
    for row in range(ROWS):
        end = int(np.flatnonzero([*buffer.episode_starts[1:, row], 1])[0]) + 1
        first[row] = (buffer.rewards[:end, row].sum(), buffer.advantages[0, row])
        assert np.ptp(buffer.advantages[:end, row]) == 0
    order = [row for row, _ in sorted(first.items(), key=lambda item: item[1][0])]
    advantages = [first[row][1] for row in order]
    assert advantages == sorted(advantages)
    assert advantages[0] < 0 < advantages[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": "top_k"}, "Got Discrete.16. .* actions='vocabulary'"),
        ({"actions": "embedding"}, "actions='vocabulary' and observation='tokens'"),
        ({"observation": "hidden"}, "actions='vocabulary' and observation='tokens'"),
        ({"model": "embedded"}, "which has 275 tokens; .* the same model"),
    ],
)
def test_other_spaces_are_refused(checkpoint, options, message):
    with pytest.raises(ValueError, match=message):
        make_agent(checkpoint, make_env(checkpoint, **options))
