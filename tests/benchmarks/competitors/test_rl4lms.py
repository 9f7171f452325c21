"""The reference mode computes what one pass over a text computes, and learns by it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer

from benchmarks.competitors import rl4lms, three_models
from benchmarks.competitors.finetune_job import FEW_WORDS, NEW, Job
from lm_envs.model import loading

PROMPT, WORDS = 5, 7


@pytest.fixture
def models(checkpoint):
    """Three models that disagree: the critic's and the frozen one's weights are moved a little."""
    models = three_models.Models.load(checkpoint)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in (*models.critic.parameters(), *models.frozen.parameters()):
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    return models


@pytest.fixture
def tokens():
    return torch.randint(0, 700, (3, PROMPT + WORDS), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def rollout(models, tokens):
    spoken = three_models.read_again(models, tokens, PROMPT)
    advantages = torch.randn(3, WORDS, generator=torch.Generator().manual_seed(3))
    return rl4lms.Rollout(tokens, spoken, advantages)


@pytest.fixture
def job():
    prompts = np.random.default_rng(0).integers(1, 6000, (3, PROMPT))
    return Job(loading.locate("embedded"), prompts, "float32", 1)


def in_one_pass(model, tokens):
    """Log-probabilities (N, T) of the words of whole texts, as teacher forcing has them."""
    known = model(tokens).logits.log_softmax(-1)[:, PROMPT - 1 : -1]
    return known.gather(-1, tokens[:, PROMPT:, None])[..., 0]


def values_in_one_pass(critic, tokens):
    hidden = critic.trunk(tokens).last_hidden_state[:, PROMPT - 1 : -1]
    return critic.head(hidden)[..., 0]


def everywhere(num_texts):
    return torch.cartesian_prod(torch.arange(num_texts), torch.arange(WORDS))


def test_reading_again_word_by_word_says_what_one_pass_says(models, tokens, reference_model):
    spoken = three_models.read_again(models, tokens, PROMPT)
    with torch.no_grad():
        torch.testing.assert_close(spoken.log_probs, in_one_pass(reference_model, tokens))
        torch.testing.assert_close(spoken.frozen_log_probs, in_one_pass(models.frozen, tokens))
        torch.testing.assert_close(spoken.values, values_in_one_pass(models.critic, tokens))
    assert (spoken.log_probs - spoken.frozen_log_probs).abs().max() > 0.1


def test_a_padded_pass_a_word_has_the_loss_and_gradient_of_one_pass_over_the_texts(models, rollout):
    """The first policy has moved on, so that ratios are clipped on both sides."""
    old = rollout.spoken.log_probs + torch.linspace(-0.5, 0.5, WORDS)
    rollout = replace(rollout, spoken=replace(rollout.spoken, log_probs=old))
    batch = rl4lms.transitions(rollout, everywhere(3))
    said = three_models.evaluate(models, batch.tokens, batch.lengths, batch.words)
    loss = rl4lms.loss_of(batch, *said)

    advantages = rollout.advantages
    returns = advantages + rollout.spoken.values
    scaled = (advantages - advantages.mean()) / advantages.std(correction=0)
    ratios = torch.exp(in_one_pass(models.policy, rollout.tokens) - old)
    lowest = torch.min(scaled * ratios, scaled * ratios.clip(0.8, 1.2))
    errors = values_in_one_pass(models.critic, rollout.tokens) - returns
    expected = 0.5 * (errors**2).mean() - lowest.mean()

    torch.testing.assert_close(loss, expected)
    gradients = [torch.autograd.grad(each, models.learned) for each in (loss, expected)]
    for got, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-5)


def test_words_hold_what_stood_before_them_and_nothing_after(rollout):
    batch = rl4lms.transitions(rollout, torch.tensor([[1, 0], [2, WORDS - 1]]))
    for row, text, length in ((0, 1, PROMPT), (1, 2, PROMPT + WORDS - 1)):
        assert batch.lengths[row] == length
        assert batch.tokens[row, -length:].equal(rollout.tokens[text, :length])
        assert batch.words[row] == rollout.tokens[text, length]


def test_advantages_are_those_of_stable_baselines3():
    rewards, values = np.random.default_rng(0).normal(size=(2, 3, WORDS)).astype(np.float32)
    space = spaces.Box(-1, 1, (1,))
    buffer = RolloutBuffer(WORDS, space, space, "cpu", rl4lms.LAMBDA, rl4lms.GAMMA, n_envs=3)
    for step in range(WORDS):
        blank, starts = np.zeros((3, 1)), np.full(3, step == 0)
        known = torch.as_tensor(values[:, step])
        buffer.add(blank, blank, rewards[:, step], starts, known, torch.zeros(3))
    buffer.compute_returns_and_advantage(torch.ones(3), np.ones(3, bool))
    got = rl4lms.advantages_of(torch.as_tensor(rewards), torch.as_tensor(values))
    np.testing.assert_allclose(got.numpy(), buffer.advantages.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num_texts", [1, 3, 4, 16])
def test_the_words_that_are_learned_from_lie_evenly_over_all_places(num_texts):
    texts, steps = rl4lms.spread(num_texts, FEW_WORDS).T
    assert texts.bincount().tolist() == [FEW_WORDS] * num_texts
    assert abs(steps.float().mean() - (NEW - 1) / 2) <= 0.5
    gaps = steps.sort().values.diff()
    assert gaps.max() - gaps.min() <= 1


def test_a_round_writes_after_the_prompts_and_pays_for_straying(job):
    torch.manual_seed(0)
    trainer = rl4lms.Trainer(job)
    with torch.no_grad():
        trainer.models.policy.transformer.ln_f.weight.mul_(1.1)
    rollout = trainer.write()
    assert rollout.tokens.shape == (3, PROMPT + NEW)
    assert rollout.tokens[:, :PROMPT].equal(torch.as_tensor(job.prompts))
    nats = rollout.spoken.log_probs - rollout.spoken.frozen_log_probs
    assert nats.abs().max() > 0.01
    errors = rollout.advantages[:, :-1] - rl4lms.GAMMA * rl4lms.LAMBDA * rollout.advantages[:, 1:]
    following = rl4lms.GAMMA * rollout.spoken.values[:, 1:] - rollout.spoken.values[:, :-1]
    torch.testing.assert_close(errors - following, -0.1 * nats[:, :-1], rtol=1e-3, atol=1e-4)


def test_learning_changes_policy_and_critic_and_never_the_frozen_model(job):
    torch.manual_seed(0)
    trainer = rl4lms.Trainer(job)
    rollout = trainer.write()
    trainer.learn(rollout)
    again = three_models.read_again(trainer.models, rollout.tokens, PROMPT)
    assert not again.log_probs.equal(rollout.spoken.log_probs)
    assert not again.values.equal(rollout.spoken.values)
    assert again.frozen_log_probs.equal(rollout.spoken.frozen_log_probs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_outcome_tells_words_written_and_words_learned_from(job, dtype):
    outcome = rl4lms.as_rl4lms(replace(job, dtype=dtype, repeats=2))
    assert (outcome.written, outcome.words) == (3 * NEW, 3 * FEW_WORDS)
    assert len(outcome.writing) == len(outcome.learning) == 2
    assert min(*outcome.writing, *outcome.learning) > 0
