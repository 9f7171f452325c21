"""GPT-2 as the policy of Stable-Baselines3's own PPO."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.utils import obs_as_tensor

from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.kl_penalty import KLPenalty
from agents.language_model.nlpo_mask import NLPOMaskSpec
from agents.language_model.policy import LanguageModelPolicy
from lm_envs.model.architectures import network as architecture
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.sb3 import make_language_vec_env
from tests.agents.language_model.language_agents import (
    ROWS,
    checkpoint_with_special_tokens,
    collect,
    make_agent,
    make_env,
)
from tests.operations import Operations


def test_the_first_ratio_after_each_rollout_is_one(checkpoint):
    agent = make_agent(checkpoint)
    for _ in range(3):
        buffer = collect(agent)
        for batch in buffer.get(25):
            _, logprobs, _ = agent.policy.evaluate_actions(
                batch.observations, batch.actions.long().flatten()
            )
            ratio = torch.exp(logprobs - batch.old_log_prob)
            np.testing.assert_allclose(ratio.detach(), 1.0, atol=1e-5)
        agent.train()


def test_values_of_the_rollout_are_those_of_the_update(checkpoint):
    agent = make_agent(checkpoint)
    torch.nn.init.normal_(agent.policy.value_net.weight)
    agent.policy.clear_cache()
    for batch in collect(agent).get():
        values, _, _ = agent.policy.evaluate_actions(batch.observations, batch.actions.flatten())
        np.testing.assert_allclose(values.detach()[:, 0], batch.old_values, atol=2e-5)


def test_ratios_are_one_over_several_turns_too():
    """A customer's answer replaces the text that the policy reads."""
    env = make_language_vec_env(
        "lm_envs/Dialogue-v0",
        n_envs=3,
        seed=0,
        actions="vocabulary",
        observation="tokens",
        max_new_tokens=40,
    )
    agent = PPO(
        LanguageModelPolicy,
        env,
        rollout_buffer_class=EpisodeRolloutBuffer,
        policy_kwargs={"temperature": 0.3},
        n_steps=48,
        batch_size=60,
        seed=0,
        device="cpu",
    )
    buffer = collect(agent)
    turns = [text.count("\n") for text in (t.text for t in env.vector_env.transcripts)]
    assert max(turns) > 0
    for batch in buffer.get(60):
        _, logprobs, _ = agent.policy.evaluate_actions(
            batch.observations, batch.actions.long().flatten()
        )
        ratio = torch.exp(logprobs - batch.old_log_prob)
        np.testing.assert_allclose(ratio.detach(), 1.0, atol=2e-4)


@pytest.mark.parametrize("mask", [None, NLPOMaskSpec(top_k=500, every=1)])
def test_special_tokens_have_the_probability_zero_as_in_the_environment(tmp_path, mask):
    """So an untrained policy pays no KL penalty, and the first ratio of an update is 1."""
    folder = checkpoint_with_special_tokens(tmp_path)
    env = KLPenalty(make_env(folder), coefficient=1.0)
    agent = make_agent(folder, env, policy_kwargs={"model": str(folder), "mask": mask})
    env.set_policy(agent.policy)
    buffer = collect(agent)
    assert abs(env.divergence) < 1e-5
    for batch in buffer.get():
        tokens = batch.actions.long().flatten()
        assert not torch.isin(tokens, torch.tensor([0, 1, 3])).any()
        _, logprobs, entropies = agent.policy.evaluate_actions(batch.observations, tokens)
        torch.testing.assert_close(logprobs, batch.old_log_prob, atol=1e-5, rtol=0.0)
        assert torch.isfinite(entropies).all()
    distribution = agent.policy.get_distribution(agent.policy.obs_to_tensor(env.reset())[0])
    assert distribution.distribution.probs[:, [0, 1, 3]].sum() == 0.0
    agent.train()
    assert all(torch.isfinite(each).all() for each in agent.policy.parameters())


def test_a_saved_policy_is_loaded_as_it_was(checkpoint, tmp_path):
    """Regression: `load` was a TypeError, `net_arch` given twice."""
    options = {"model": str(checkpoint), "temperature": 0.7, "mask": NLPOMaskSpec(top_k=50)}
    agent = make_agent(checkpoint, policy_kwargs=options)
    with torch.no_grad():
        next(agent.policy.network.parameters()).add_(0.01)
    agent.policy.save(tmp_path / "policy.pt")
    loaded = LanguageModelPolicy.load(tmp_path / "policy.pt", device="cpu")
    observations, _ = agent.policy.obs_to_tensor(agent.get_env().reset())
    found = [each.get_distribution(observations).distribution for each in (agent.policy, loaded)]
    assert torch.equal(found[0].logits, found[1].logits)


def waits_of(function, *arguments):
    with Operations() as found:
        function(*arguments)
    return found.waits


def test_a_gpu_would_be_waited_for_only_where_results_are_copied(checkpoint, monkeypatch):
    """By the operations: no mask, value or shape that depends on values is read by the host."""
    monkeypatch.setattr(architecture, "kernels_for", lambda *_: TorchKernels())
    agent = make_agent(checkpoint, env=make_env(checkpoint, dtype="float32"))
    policy, env = agent.policy, agent.env
    seen = env.reset()
    assert waits_of(env.reset) == 0
    assert policy.decoder  # made once after each update, which compares two weights
    for _ in range(9):  # episodes end, and others begin
        observations = obs_as_tensor(seen, "cpu")
        with torch.no_grad():
            assert waits_of(policy, observations) == 0
        assert waits_of(env.step, np.full(ROWS, 7)) == 0
        seen = env.step(np.full(ROWS, 5))[0]
    buffer = collect(agent)
    batch = next(buffer.get(20))

    def update():
        actions = batch.actions.long().flatten()
        values, logprobs, entropies = policy.evaluate_actions(batch.observations, actions)
        (values.mean() + logprobs.mean() + entropies.mean()).backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
        policy.optimizer.step()

    assert waits_of(update) <= 1  # transformers looks whether texts are packed
