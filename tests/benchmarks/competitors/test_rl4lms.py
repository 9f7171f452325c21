from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer

from benchmarks.competitors import rl4lms, rl4lms_models
from benchmarks.competitors.finetune_job import NEW, SAMPLED_TOKENS, FinetuneJob
from lm_envs.model import loading
from tests.benchmarks.competitors.teacher_forcing import (
    PROMPT,
    logprobs_in_one_pass,
    values_in_one_pass,
)

STEPS = 7


@pytest.fixture
def rollout(models, tokens):
    outputs = rl4lms_models.evaluate_incrementally(models, tokens, PROMPT)
    advantages = torch.randn(3, STEPS, generator=torch.Generator().manual_seed(3))
    return rl4lms.Rollout(tokens, outputs, advantages)


@pytest.fixture
def job():
    prompts = np.random.default_rng(0).integers(1, 6000, (3, PROMPT))
    return FinetuneJob(loading.locate("embedded"), prompts, "float32", 1)


def everywhere(num_texts):
    return torch.cartesian_prod(torch.arange(num_texts), torch.arange(STEPS))


def test_loss_and_gradient_of_padded_passes_agree_with_one_pass(models, rollout):
    """The rollout is of another policy, so that ratios are clipped on both sides."""
    old = rollout.outputs.logprobs + torch.linspace(-0.5, 0.5, STEPS)
    rollout = replace(rollout, outputs=replace(rollout.outputs, logprobs=old))
    batch = rl4lms.make_minibatch(rollout, everywhere(3))
    outputs = rl4lms_models.evaluate(models, batch.texts, batch.lengths, batch.tokens)
    loss = rl4lms.compute_loss(batch, *outputs)

    advantages = rollout.advantages
    returns = advantages + rollout.outputs.values
    scaled = (advantages - advantages.mean()) / advantages.std(correction=0)
    ratios = torch.exp(logprobs_in_one_pass(models.policy, rollout.tokens) - old)
    lowest = torch.min(scaled * ratios, scaled * ratios.clip(0.8, 1.2))
    errors = values_in_one_pass(models.critic, rollout.tokens) - returns
    expected = 0.5 * (errors**2).mean() - lowest.mean()

    torch.testing.assert_close(loss, expected)
    gradients = [torch.autograd.grad(each, models.trainable) for each in (loss, expected)]
    for got, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-5)


def test_minibatch_has_the_text_before_each_token_and_nothing_after(rollout):
    batch = rl4lms.make_minibatch(rollout, torch.tensor([[1, 0], [2, STEPS - 1]]))
    for row, text, length in ((0, 1, PROMPT), (1, 2, PROMPT + STEPS - 1)):
        assert batch.lengths[row] == length
        assert batch.texts[row, -length:].equal(rollout.tokens[text, :length])
        assert batch.tokens[row] == rollout.tokens[text, length]


def test_advantages_agree_with_stable_baselines3():
    rewards, values = np.random.default_rng(0).normal(size=(2, 3, STEPS)).astype(np.float32)
    space = spaces.Box(-1, 1, (1,))
    buffer = RolloutBuffer(STEPS, space, space, "cpu", rl4lms.LAMBDA, rl4lms.GAMMA, n_envs=3)
    for step in range(STEPS):
        blank, starts = np.zeros((3, 1)), np.full(3, step == 0)
        known = torch.as_tensor(values[:, step])
        buffer.add(blank, blank, rewards[:, step], starts, known, torch.zeros(3))
    buffer.compute_returns_and_advantage(torch.ones(3), np.ones(3, bool))
    got = rl4lms.compute_advantages(torch.as_tensor(rewards), torch.as_tensor(values))
    np.testing.assert_allclose(got.numpy(), buffer.advantages.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num_texts", [1, 3, 4, 16])
def test_sampled_tokens_are_spread_evenly_over_all_steps(num_texts):
    texts, steps = rl4lms.spread_evenly(num_texts, SAMPLED_TOKENS).T
    assert texts.bincount().tolist() == [SAMPLED_TOKENS] * num_texts
    assert abs(steps.float().mean() - (NEW - 1) / 2) <= 0.5
    gaps = steps.sort().values.diff()
    assert gaps.max() - gaps.min() <= 1


def test_rollout_continues_the_prompts_and_has_a_kl_penalty(job):
    torch.manual_seed(0)
    trainer = rl4lms.Trainer(job)
    with torch.no_grad():
        trainer.models.policy.transformer.ln_f.weight.mul_(1.1)
    rollout = trainer.collect_rollout()
    assert rollout.tokens.shape == (3, PROMPT + NEW)
    assert rollout.tokens[:, :PROMPT].equal(torch.as_tensor(job.prompts))
    nats = rollout.outputs.logprobs - rollout.outputs.frozen_logprobs
    assert nats.abs().max() > 0.01
    errors = rollout.advantages[:, :-1] - rl4lms.GAMMA * rl4lms.LAMBDA * rollout.advantages[:, 1:]
    following = rl4lms.GAMMA * rollout.outputs.values[:, 1:] - rollout.outputs.values[:, :-1]
    torch.testing.assert_close(errors - following, -0.1 * nats[:, :-1], rtol=1e-3, atol=1e-4)


def test_update_changes_policy_and_critic_and_not_the_frozen_model(job):
    torch.manual_seed(0)
    trainer = rl4lms.Trainer(job)
    rollout = trainer.collect_rollout()
    trainer.update(rollout)
    again = rl4lms_models.evaluate_incrementally(trainer.models, rollout.tokens, PROMPT)
    assert not again.logprobs.equal(rollout.outputs.logprobs)
    assert not again.values.equal(rollout.outputs.values)
    assert again.frozen_logprobs.equal(rollout.outputs.frozen_logprobs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_result_counts_generated_and_learned_tokens(job, dtype):
    result = rl4lms.as_rl4lms(replace(job, dtype=dtype, repeats=2))
    assert (result.num_generated, result.num_learned) == (3 * NEW, 3 * SAMPLED_TOKENS)
    assert len(result.rollout_s) == len(result.update_s) == 2
    assert min(*result.rollout_s, *result.update_s) > 0
