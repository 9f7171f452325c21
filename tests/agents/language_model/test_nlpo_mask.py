"""Tokens that an older copy of the policy holds likely."""

import numpy as np
import pytest
import torch

from agents.language_model.nlpo_mask import NLPOMaskSpec
from lm_envs.model.lm_head import top_k_top_p_mask
from tests.agents.language_model.language_agents import collect, make_agent


@pytest.mark.parametrize("mask", [NLPOMaskSpec(top_k=5, every=2), NLPOMaskSpec(top_p=0.5, every=2)])
def test_only_tokens_likely_under_an_older_copy_are_sampled(checkpoint, mask):
    """The masked log-probabilities are those of the update; the third rollout has a new copy."""
    agent = make_agent(
        checkpoint, policy_kwargs={"model": str(checkpoint), "mask": mask}, learning_rate=1e-3
    )
    for rollout in range(3):
        buffer = collect(agent)
        network, copy = agent.policy.network, agent.policy.masker.copy
        is_new = torch.equal(
            network.model.transformer.wpe.weight, copy.model.transformer.wpe.weight
        )
        assert is_new == (rollout != 1)
        for batch in buffer.get(25):
            seen, words = batch.observations, batch.actions.long().flatten()
            _, logprobs, entropies = agent.policy.evaluate_actions(seen, words)
            np.testing.assert_allclose(logprobs.detach(), batch.old_log_prob, atol=1e-5)
            steps = seen["episode"].long(), seen["position"].long() - 1
            with torch.no_grad():
                tokens = seen["tokens"].long()
                expected = network.logits(network(tokens)[steps])
                likely = top_k_top_p_mask(copy.logits(copy(tokens)[steps]), mask.top_k, mask.top_p)
            assert likely[torch.arange(len(words)), words].all()
            expected = torch.distributions.Categorical(logits=expected.where(likely, -torch.inf))
            np.testing.assert_allclose(logprobs.detach(), expected.log_prob(words), atol=1e-5)
            np.testing.assert_allclose(entropies.detach(), expected.entropy(), atol=1e-5)
        agent.train()


def test_greedy_tokens_are_among_the_allowed(checkpoint):
    """One token is allowed, so it is chosen for any weights of the policy."""
    agent = make_agent(
        checkpoint, policy_kwargs={"model": str(checkpoint), "mask": NLPOMaskSpec(top_k=1)}
    )
    seen = agent.env.reset()
    before = agent.predict(seen, deterministic=True)[0]
    with torch.no_grad():
        agent.policy.network.model.transformer.wte.weight.neg_()
    agent.policy.clear_cache()
    np.testing.assert_array_equal(agent.predict(seen, deterministic=True)[0], before)
    np.testing.assert_array_equal(agent.predict(seen)[0], before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "without top_k and top_p"),
        ({"top_k": 0}, "Got top_k=0"),
        ({"top_p": 1.5}, "Got top_p=1.5; allowed: between 0 and 1"),
        ({"top_k": 3, "every": 0}, "Got every=0"),
    ],
)
def test_a_mask_without_a_restriction_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NLPOMaskSpec(**options)


def test_keys_of_saved_checkpoints_stay(checkpoint):
    spec = NLPOMaskSpec(top_k=5)
    policy = make_agent(checkpoint, policy_kwargs={"model": str(checkpoint), "mask": spec}).policy
    keys = set(policy.state_dict())
    assert {"masker.age", "value_net.weight", "value_net.bias"} < keys
    prefixes = {key.split(".transformer.")[0] for key in keys if ".transformer." in key}
    assert prefixes == {"network.model", "masker.copy.model"}
