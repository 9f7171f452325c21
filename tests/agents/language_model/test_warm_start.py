"""The supervised start."""

import numpy as np
import pytest
import torch

from agents.language_model.warm_start import next_word_loss, warm_start
from tests.agents.language_model.test_policy import make_agent, make_env

SETTINGS = {"steps": 12, "learning_rate": 3e-4, "batch_size": 8, "seed": 0}


def test_the_loss_is_that_of_transformers(checkpoint, reference_model):
    network = make_agent(checkpoint).policy.network
    network._is_nameless = torch.zeros_like(network._is_nameless)
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 300, size) for size in (9, 4, 13)]
    ids = [torch.as_tensor(text)[None] for text in texts]
    total = sum(reference_model(i, labels=i).loss * (i.shape[1] - 1) for i in ids)
    expected = total / sum(i.shape[1] - 1 for i in ids)
    torch.testing.assert_close(next_word_loss(network, texts), expected)


def test_references_become_more_likely(checkpoint):
    env = make_env(checkpoint)
    policy = make_agent(checkpoint, env).policy
    losses = list(warm_start(policy, env.vector_env.task, **SETTINGS))
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.5
    assert policy._is_stale


def test_a_broken_loss_stops_before_the_weights_change(checkpoint):
    env = make_env(checkpoint)
    policy = make_agent(checkpoint, env).policy
    with torch.no_grad():
        policy.network.model.transformer.ln_f.bias[0] = torch.nan
    before = policy.network.model.transformer.wpe.weight.clone()
    with pytest.raises(FloatingPointError, match="next-word loss nan at step 0 of the warm start"):
        list(warm_start(policy, env.vector_env.task, **SETTINGS))
    assert torch.equal(before, policy.network.model.transformer.wpe.weight)
