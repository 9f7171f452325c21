"""Adapters are trained in place of the weights and are part of rollouts and exports."""

import sys

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from agents.language_model.export import save_pretrained
from agents.language_model.lora import LoRA, merged_weights
from agents.language_model.memory_estimate import check_batch
from agents.language_model.network import TrainableNetwork
from agents.language_model.nlpo_mask import NLPOMaskSpec
from tests.agents.language_model.language_agents import collect, make_agent

ADAPTERS = LoRA(rank=2, alpha=4.0, layers=("c_attn", "c_proj", "c_fc"))
TOKENS = torch.arange(1, 11).view(2, 5)


def trained_agent(checkpoint, **options):
    """An agent after one update."""
    kwargs = {"model": str(checkpoint), "lora": ADAPTERS, **options}
    agent = make_agent(checkpoint, policy_kwargs=kwargs, learning_rate=1e-2)
    collect(agent)
    agent.train()
    return agent


def base_weights(model):
    return {
        name.replace(".base_layer", ""): tensor
        for name, tensor in model.state_dict().items()
        if ".lora_" not in name
    }


def test_new_adapters_change_no_output(checkpoint):
    plain, adapted = (TrainableNetwork(checkpoint, 300, lora=lora) for lora in (None, ADAPTERS))
    torch.testing.assert_close(adapted(TOKENS), plain(TOKENS), rtol=0, atol=0)


def test_only_adapters_and_the_value_head_are_trained(checkpoint):
    before = TrainableNetwork(checkpoint, 300).model.state_dict()
    agent = trained_agent(checkpoint)
    learned = {name for name, each in agent.policy.named_parameters() if each.requires_grad}
    assert {name for name in learned if ".lora_" not in name} == {
        "value_net.weight",
        "value_net.bias",
    }
    model = agent.policy.network.model
    kept = base_weights(model)
    assert kept.keys() == before.keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in before.items())
    changed = {
        name
        for name, tensor in merged_weights(model).items()
        if not torch.equal(tensor, before[name])
    }
    blocks = model.config.n_layer
    layers = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert changed == {
        f"transformer.h.{block}.{layer}.weight" for block in range(blocks) for layer in layers
    }


def test_the_first_ratio_is_one_with_trained_adapters(checkpoint):
    agent = trained_agent(checkpoint)
    for batch in collect(agent).get(25):
        words = batch.actions.long().flatten()
        _, logprobs, _ = agent.policy.evaluate_actions(batch.observations, words)
        np.testing.assert_allclose(logprobs.detach(), batch.old_log_prob, atol=1e-5)


def test_the_exported_model_has_the_adapters_in_its_weights(checkpoint, tmp_path):
    agent = trained_agent(checkpoint)
    save_pretrained(agent.policy, tmp_path)
    exported = AutoModelForCausalLM.from_pretrained(tmp_path)
    network = agent.policy.network
    with torch.no_grad():
        ours = network.logits(network(TOKENS).flatten(0, 1))[:, : network.tokenizer_size]
        theirs = exported(TOKENS).logits.flatten(0, 1)[:, : network.tokenizer_size]
        before = TrainableNetwork(checkpoint, network.tokenizer_size)(TOKENS)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5)
    assert (network(TOKENS) - before).abs().max() > 1e-3


def test_the_copy_behind_a_mask_has_the_adapters_merged(checkpoint):
    agent = trained_agent(checkpoint, mask=NLPOMaskSpec(top_k=5, every=1))
    collect(agent)
    copy = agent.policy.masker.copy
    torch.testing.assert_close(copy(TOKENS), agent.policy.network(TOKENS), rtol=0, atol=1e-5)


def test_a_batch_may_be_larger_where_only_adapters_have_gradients(checkpoint):
    plain, adapted = (TrainableNetwork(checkpoint, 300, lora=lora) for lora in (None, LoRA(rank=1)))
    sizes = {"batch_size": 4, "steps_per_text": 4.0, "length": 4}
    weights = sum(each.numel() * 4 for each in plain.parameters())

    def fits(network, available):
        try:
            check_batch(network, available=available, **sizes)
        except MemoryError:
            return False
        return True

    needed = next(size for size in range(0, 2**32, weights // 2) if fits(adapted, size))
    assert not fits(plain, needed + weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "Got rank=0"),
        ({"alpha": 0.0}, "Got alpha=0.0; allowed: over 0"),
        ({"layers": ()}, "no layers to adapt; name some"),
    ],
)
def test_adapters_that_adapt_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LoRA(**options)


def test_adapters_of_llama_are_merged_into_rollouts_and_exports(llama_checkpoint, tmp_path):
    """By default those of queries, keys and values, whose weights are stored (outputs, inputs)."""
    adapters = LoRA(rank=2, alpha=4.0)
    agent = trained_agent(llama_checkpoint, lora=adapters)
    network = agent.policy.network
    before = TrainableNetwork(llama_checkpoint, 300).model.state_dict()
    merged = merged_weights(network.model)
    changed = {name for name in before if not torch.equal(merged[name], before[name])}
    parts = ("q_proj", "k_proj", "v_proj")
    assert changed == {
        f"model.layers.{layer}.self_attn.{part}.weight" for layer in range(3) for part in parts
    }
    save_pretrained(agent.policy, tmp_path / "model")
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        trained, read = network(TOKENS), exported.model(TOKENS).last_hidden_state
    torch.testing.assert_close(read, trained, rtol=0, atol=1e-5)
    tokens = TOKENS.numpy()
    decoded = network.decoder(torch.float32).read(tokens, np.full(2, 5))
    torch.testing.assert_close(decoded, trained[:, -1], rtol=0, atol=2e-5)


def test_a_layer_that_the_model_does_not_have_is_refused(checkpoint):
    with pytest.raises(ValueError, match="layers='c_atn'; allowed: 'c_attn', 'c_proj', 'c_fc'"):
        TrainableNetwork(checkpoint, 300, lora=LoRA(layers=("c_atn",)))


def test_a_missing_peft_is_named_with_its_installation(checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"pip install lm_envs\[lora\]"):
        TrainableNetwork(checkpoint, 300, lora=LoRA())


def test_gradients_are_the_same_where_activations_are_computed_again(checkpoint):
    gradients = []
    for is_on in (False, True):
        torch.manual_seed(0)
        network = TrainableNetwork(checkpoint, 300, gradient_checkpointing=is_on, lora=ADAPTERS)
        network.train()
        logprobs, _ = network.logprobs_and_entropy(network(TOKENS).flatten(0, 1), TOKENS.flatten())
        logprobs.sum().backward()
        gradients.append([each.grad for each in network.trainable_parameters])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(again, plain)
    assert any(each.abs().max() > 0 for each in gradients[0])
