"""Log-probabilities and entropies a chunk at a time, their gradients, and reduced precision."""

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from agents.language_model.network import TrainableNetwork, logits_per_chunk
from tests.agents.language_model.language_agents import ROWS, STEPS, collect, make_agent


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that was made."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return result


def test_masked_gradients_are_those_of_autograd(checkpoint):
    network = make_agent(checkpoint).policy.network.double()
    hidden = torch.randn(7, network.hidden_size, dtype=torch.double, requires_grad=True)
    words = torch.arange(7)
    likely = torch.rand(7, network.tokenizer_size) < 0.1
    likely[torch.arange(7), words] = True
    upstream = torch.randn(2, 7, dtype=torch.double)
    found = torch.stack(
        network.logprobs_and_entropy(hidden, words, lambda rows: likely[rows].clone())
    )
    (ours,) = torch.autograd.grad(found, hidden, upstream)
    logits = network.logits(hidden)[:, : network.tokenizer_size].where(likely, -1e6)
    plain = torch.distributions.Categorical(logits=logits)
    expected = torch.stack([plain.log_prob(words), plain.entropy()])
    (theirs,) = torch.autograd.grad(expected, hidden, upstream)
    np.testing.assert_allclose(found.detach(), expected.detach(), atol=1e-12)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_chunked_log_probabilities_have_the_gradient_of_the_plain_computation(
    checkpoint, monkeypatch
):
    monkeypatch.setattr("agents.language_model.network.LOGITS_PER_CHUNK", 5 * 700)
    network = make_agent(checkpoint, policy_kwargs={"model": str(checkpoint), "temperature": 0.7})
    network = network.policy.network.double()
    hidden = torch.randn(13, network.hidden_size, dtype=torch.float64, requires_grad=True)
    words = torch.randint(network.tokenizer_size, (13,))
    weights = torch.randn(2, 13, dtype=torch.float64)
    inputs = hidden, network.model.transformer.wte.weight
    logprobs = network.logits(hidden)[:, : network.tokenizer_size].log_softmax(-1)
    plain = logprobs.gather(1, words[:, None])[:, 0], -(logprobs.exp() * logprobs).sum(-1)
    for ours, theirs in zip(network.logprobs_and_entropy(hidden, words), plain, strict=True):
        torch.testing.assert_close(ours, theirs)
    gradients = [
        torch.autograd.grad((weights * torch.stack(values)).sum(), inputs)
        for values in (network.logprobs_and_entropy(hidden, words), plain)
    ]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)
        assert ours.abs().max() > 1e-3


def test_no_tensor_holds_the_logits_of_a_rollout(checkpoint, monkeypatch):
    monkeypatch.setattr("agents.language_model.network.LOGITS_PER_CHUNK", 5 * 700)
    agent = make_agent(checkpoint, batch_size=ROWS * STEPS)
    collect(agent)
    parameters = max(parameter.numel() for parameter in agent.policy.parameters())
    with Largest() as largest:
        agent.train()
    assert largest.numel == parameters
    assert parameters < ROWS * STEPS * 700 * 2


def test_tokens_beyond_the_tokenizer_have_probability_zero(checkpoint):
    policy = make_agent(checkpoint).policy
    logits = policy.network.logits(torch.randn(50, policy.network.hidden_size))
    assert torch.isinf(logits[:, len(policy.tokenizer) :]).all()
    _, entropy = policy.network.logprobs_and_entropy(
        torch.randn(50, policy.network.hidden_size), torch.zeros(50).long()
    )
    assert torch.isfinite(entropy).all()


def ratios(agent):
    for batch in collect(agent).get():
        _, logprobs, _ = agent.policy.evaluate_actions(batch.observations, batch.actions.flatten())
        yield torch.exp(logprobs - batch.old_log_prob).detach().numpy()


def test_bfloat16_moves_the_first_ratio_a_little(checkpoint):
    options = {"model": str(checkpoint), "bfloat16": True}
    errors = np.abs(np.concatenate(list(ratios(make_agent(checkpoint, policy_kwargs=options)))) - 1)
    assert 1e-5 < errors.mean() < 0.1


def test_bfloat16_keeps_the_direction_of_the_gradient(checkpoint):
    exact, rounded = (TrainableNetwork(checkpoint, 300, bfloat16=is_on) for is_on in (False, True))
    tokens = torch.randint(1, 300, (4, 12), generator=torch.Generator().manual_seed(0))
    gradients = []
    for network in (exact, rounded):
        hidden = network(tokens)[:, :-1].flatten(0, 1)
        logprobs, entropies = network.logprobs_and_entropy(hidden, tokens[:, 1:].flatten())
        (logprobs.mean() + entropies.mean()).backward()
        gradients.append(torch.cat([each.grad.flatten() for each in network.trainable_parameters]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.999
    assert torch.backends.mkldnn.matmul.fp32_precision == "none"
    assert torch.backends.cuda.matmul.fp32_precision != "tf32"


def test_bfloat16_multiplies_logits_in_tf32_on_cuda(checkpoint):
    """Regression: on a GPU the factors of the logits were never rounded."""
    found = []

    def allowed(rows):  # called between the products
        found.append(torch.backends.cuda.matmul.fp32_precision)
        return torch.ones(rows.stop - rows.start, 300, dtype=torch.bool)[:5]

    for is_on in (False, True):
        network = TrainableNetwork(checkpoint, 300, bfloat16=is_on)
        hidden = torch.zeros(5, network.hidden_size)
        network.logprobs_and_entropy(hidden, torch.zeros(5).long(), allowed)
    assert found[0] != "tf32"
    assert found[1] == "tf32"


def test_a_gpu_computes_more_logits_at_once():
    cpu, cuda = (logits_per_chunk(torch.device(name)) for name in ("cpu", "cuda:0"))
    assert cuda == 8 * cpu


def test_the_weights_stay_float32(checkpoint):
    options = {"model": str(checkpoint), "bfloat16": True}
    agent = make_agent(checkpoint, policy_kwargs=options)
    agent.learn(60)
    assert {p.dtype for p in agent.policy.parameters()} == {torch.float32}


def test_a_network_is_made_without_a_progress_bar(checkpoint, capfd):
    TrainableNetwork(checkpoint, 300)
    assert "Loading" not in "".join(capfd.readouterr())
