"""Only new tokens are forwarded, and every text has its own hidden state."""

import numpy as np
import pytest
import torch
from stable_baselines3.common.utils import obs_as_tensor

from agents.language_model import incremental_decoder
from agents.language_model.incremental_decoder import (
    CurrentDecoder,
    sample_by_inversion,
    sample_by_maximum,
)
from agents.language_model.network import TrainableNetwork
from lm_envs.model.architectures import network as architecture
from lm_envs.model.kernels.torch_ops import TorchKernels
from tests.agents.language_model.language_agents import ROWS, STEPS, collect, make_agent
from tests.model.engines import float_dtypes
from tests.model.state.replay import EmulatedFunction


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


def test_batches_of_one_size_with_longer_texts_have_a_reader_of_their_own(checkpoint):
    decoder = make_agent(checkpoint).policy.decoder
    tokens, lengths = np.ones((ROWS, 20), np.int64), np.full(ROWS, 4)
    expected = decoder.read(tokens[:, :6], lengths)
    assert torch.equal(decoder.read(tokens, lengths), expected)


launched = incremental_decoder.make_function


def growing_texts(seed):
    """Tokens and lengths of texts that grow, each by a token or not at all."""
    rng = np.random.default_rng(seed)
    tokens, lengths = rng.integers(1, 275, (ROWS, 13)), rng.integers(1, 6, ROWS)
    for _ in range(6):
        yield np.where(np.arange(13) < lengths[:, None], tokens, 0), lengths.copy()
        lengths += rng.random(ROWS) < 0.8


@float_dtypes
def test_what_was_recorded_goes_on_with_new_weights_bit_for_bit(any_checkpoint, monkeypatch, dtype):
    """A recording refers to the memory of the weights: an update has to write to it."""
    monkeypatch.setattr(architecture, "kernels_for", lambda *_: TorchKernels())
    network = TrainableNetwork(any_checkpoint, 275)
    fresh = [CurrentDecoder(lambda: network.decoder(dtype)) for _ in range(3)]
    recorded: list[EmulatedFunction] = []

    def record(function, device, *, state, arrays):
        recorded.append(EmulatedFunction(function, state))
        return recorded[-1]

    monkeypatch.setattr(incremental_decoder, "make_function", record)
    kept = CurrentDecoder(lambda: network.decoder(dtype), keeps=True)
    first, counts = kept.get(), []
    for update, plain in enumerate(fresh):
        for text in growing_texts(0):
            with monkeypatch.context() as patch:
                patch.setattr(incremental_decoder, "make_function", launched)
                expected = plain.get().read(*text)
            assert torch.equal(kept.get().read(*text), expected), update
        assert kept.get() is first
        counts.append(len(recorded[0].recordings))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        kept.drop()
    assert len(recorded) == 1  # one reader, and with it one KV cache
    assert counts == [counts[0]] * 3


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
