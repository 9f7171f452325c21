"""What an update may save in time and memory, and what that costs in exactness."""

import numpy as np
import torch

from agents.language_model.network import TrainableGPT2
from tests.agents.language_model.test_policy import collect, make_agent


def ratios(agent):
    for batch in collect(agent).get():
        _, logprobs, _ = agent.policy.evaluate_actions(batch.observations, batch.actions.flatten())
        yield torch.exp(logprobs - batch.old_log_prob).detach().numpy()


def test_bfloat16_moves_the_first_ratio_a_little(checkpoint):
    options = {"model": str(checkpoint), "bfloat16": True}
    errors = np.abs(np.concatenate(list(ratios(make_agent(checkpoint, policy_kwargs=options)))) - 1)
    assert 1e-5 < errors.mean() < 0.1


def test_bfloat16_keeps_the_direction_of_the_gradient(checkpoint):
    exact, rounded = (TrainableGPT2(checkpoint, 300, bfloat16=is_on) for is_on in (False, True))
    tokens = torch.randint(1, 300, (4, 12), generator=torch.Generator().manual_seed(0))
    gradients = []
    for network in (exact, rounded):
        hidden = network(tokens)[:, :-1].flatten(0, 1)
        logprobs, entropies = network.logprobs_and_entropy(hidden, tokens[:, 1:].flatten())
        (logprobs.mean() + entropies.mean()).backward()
        gradients.append(torch.cat([each.grad.flatten() for each in network.trainable_parameters]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.999
    assert torch.backends.mkldnn.matmul.fp32_precision == "none"


def test_the_weights_stay_float32(checkpoint):
    options = {"model": str(checkpoint), "bfloat16": True}
    agent = make_agent(checkpoint, policy_kwargs=options)
    agent.learn(60)
    assert {p.dtype for p in agent.policy.parameters()} == {torch.float32}
