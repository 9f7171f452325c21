import torch

from benchmarks.competitors import rl4lms_models
from tests.benchmarks.competitors.teacher_forcing import (
    PROMPT,
    logprobs_in_one_pass,
    values_in_one_pass,
)


def test_incremental_passes_agree_with_one_pass(models, tokens, reference_model):
    outputs = rl4lms_models.evaluate_incrementally(models, tokens, PROMPT)
    with torch.no_grad():
        expected = logprobs_in_one_pass(reference_model, tokens)
        torch.testing.assert_close(outputs.logprobs, expected)
        frozen = logprobs_in_one_pass(models.frozen, tokens)
        torch.testing.assert_close(outputs.frozen_logprobs, frozen)
        torch.testing.assert_close(outputs.values, values_in_one_pass(models.critic, tokens))
    assert (outputs.logprobs - outputs.frozen_logprobs).abs().max() > 0.1


def test_padding_does_not_change_a_pass(models, tokens):
    texts = torch.cat([torch.zeros(3, 2, dtype=torch.int64), tokens[:, :-1]], 1)
    lengths = torch.full((3,), tokens.shape[1] - 1)
    with torch.no_grad():
        padded = rl4lms_models.evaluate(models, texts, lengths, tokens[:, -1])
        plain = rl4lms_models.evaluate(models, tokens[:, :-1], lengths, tokens[:, -1])
    torch.testing.assert_close(padded, plain)


def test_generation_continues_prompts_by_the_number_of_tokens(models, tokens):
    texts = rl4lms_models.generate(models.policy, tokens[:, :PROMPT], 4)
    assert texts.shape == (3, PROMPT + 4)
    assert texts[:, :PROMPT].equal(tokens[:, :PROMPT])


def test_policy_and_critic_are_trainable_and_the_frozen_model_is_not(models):
    assert all(parameter.requires_grad for parameter in models.trainable)
    assert not any(parameter.requires_grad for parameter in models.frozen.parameters())
