"""Only new tokens are forwarded, and every text has its own hidden state."""

import numpy as np
import pytest
import torch
from stable_baselines3.common.utils import obs_as_tensor

from agents.language_model.incremental_decoder import sample_by_inversion, sample_by_maximum
from tests.agents.language_model.language_agents import ROWS, STEPS, collect, make_agent


def test_each_token_of_a_rollout_is_forwarded_once(checkpoint):
    agent = make_agent(checkpoint)
    buffer = collect(agent)
    reader = agent.policy.decoder.reader(ROWS, buffer.observations["tokens"].shape[-1])
    episodes = int(buffer.episode_starts.sum()) + int(agent._last_episode_starts.sum())
    assert reader.num_prefilled == episodes
    assert reader.num_appended == ROWS * (STEPS + 1) - episodes


def test_texts_that_do_not_continue_are_prefilled(checkpoint):
    policy = make_agent(checkpoint).policy
    rng = np.random.default_rng(0)
    tokens, lengths = rng.integers(1, 300, (ROWS, 13)), rng.integers(1, 6, ROWS)
    for _ in range(40):
        chance = rng.random(ROWS)
        for row in range(ROWS):
            if chance[row] < 0.2 or lengths[row] == 13:
                tokens[row], lengths[row] = rng.integers(1, 300, 13), rng.integers(1, 6)
            elif chance[row] < 0.9:
                lengths[row] += 1
        shown = np.where(np.arange(13) < lengths[:, None], tokens, 0)
        obs = obs_as_tensor({"tokens": shown, "length": lengths[:, None].copy()}, "cpu")
        with torch.no_grad():
            expected = policy.network(obs["tokens"])[torch.arange(ROWS), lengths - 1]
            np.testing.assert_allclose(policy.hidden_states(obs), expected, atol=2e-5)


def test_rows_that_begin_with_one_prompt_go_on_by_themselves(checkpoint):
    """Equal prompts are forwarded once; each row then has keys and values of its own."""
    policy = make_agent(checkpoint).policy
    rng = np.random.default_rng(0)
    tokens, lengths = rng.integers(1, 300, (ROWS, 13)), np.array([5, 5, 5, 4, 4, 5])
    tokens[:3, :5], tokens[3:5, :4] = tokens[0, :5], tokens[3, :4]
    for _ in range(4):
        shown = np.where(np.arange(13) < lengths[:, None], tokens, 0)
        obs = obs_as_tensor({"tokens": shown, "length": lengths[:, None].copy()}, "cpu")
        with torch.no_grad():
            expected = policy.network(obs["tokens"])[torch.arange(ROWS), lengths - 1]
            np.testing.assert_allclose(policy.hidden_states(obs), expected, atol=2e-5)
        lengths += 1


def test_a_value_of_other_rows_in_between_changes_nothing(checkpoint):
    logprobs = []
    for is_disturbed in (False, True):
        agent = make_agent(checkpoint)
        obs = agent.env.reset()
        for _ in range(4):
            tensors = obs_as_tensor(obs, "cpu")
            with torch.no_grad():
                if is_disturbed:
                    one = {name: value[:1] for name, value in tensors.items()}
                    agent.policy.predict_values(one)
                words, _, logprob = agent.policy(tensors, deterministic=True)
            obs = agent.env.step(words.numpy())[0]
        logprobs.append(logprob)
    np.testing.assert_array_equal(*logprobs)


@pytest.mark.parametrize("sample", [sample_by_inversion, sample_by_maximum])
def test_tokens_are_sampled_by_their_probability(sample):
    logits = torch.tensor([[0.0, -torch.inf, 2.0, 1.0]]).expand(20_000, -1)
    torch.manual_seed(0)
    shares = torch.bincount(sample(logits), minlength=4) / len(logits)
    torch.testing.assert_close(shares, logits[0].softmax(-1), atol=0.015, rtol=0.0)
    assert shares[1] == 0.0


def test_inversion_of_the_largest_draw_is_no_forbidden_token(monkeypatch):
    """A draw below 1 may be rounded up to the sum of the probabilities."""
    logits = torch.tensor([[-torch.inf, -3.0, 1.0, -torch.inf]])
    monkeypatch.setattr(torch, "rand_like", torch.ones_like)
    assert sample_by_inversion(logits).tolist() == [2]


def test_the_maximum_is_never_a_forbidden_token(monkeypatch):
    """Even where the generator returns 0, whose Gumbel noise is infinite."""
    logits = torch.tensor([[-torch.inf, -3.0, -torch.inf]])
    monkeypatch.setattr(torch.Tensor, "exponential_", torch.Tensor.zero_)
    assert sample_by_maximum(logits).tolist() == [1]
