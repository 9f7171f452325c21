import copy

import pytest
import torch

from lm_envs.model.architectures.registry import ARCHITECTURES
from lm_envs.model.attention import PrefillAttention
from tests.model.architectures.checkpoints import VARIANTS, load_reference, make_reference
from tests.model.engines import draw

TOKENS = torch.randint(1, 700, (2, 9), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_differentiable_pass_and_its_gradients_equal_transformers(variant):
    reference = copy.deepcopy(make_reference(variant))
    architecture = ARCHITECTURES[reference.config.model_type]
    config, weights = architecture.read(
        reference.config.to_dict(), reference.state_dict(), "folder"
    )
    weights = {name: each.clone().requires_grad_() for name, each in weights.items()}
    found = architecture.hidden_states(config, weights, TOKENS)
    expected = reference.base_model(TOKENS).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
    for hidden in (found, expected):
        (hidden * draw(*hidden.shape)).sum().backward()
    for name, parameter in reference.base_model.named_parameters():
        largest = parameter.grad.abs().max().item()
        torch.testing.assert_close(
            weights[name].grad, parameter.grad, rtol=0, atol=1e-4 * largest + 1e-5, msg=name
        )


def test_a_length_of_text_that_was_read_without_gradients_can_be_trained():
    """Angles are made once for each length; a tensor of inference mode would fail in training."""
    reference = make_reference("llama")
    architecture = ARCHITECTURES["llama"]
    config, weights = architecture.read(
        reference.config.to_dict(), reference.state_dict(), "folder"
    )
    weights = {name: each.clone().requires_grad_() for name, each in weights.items()}
    tokens = torch.arange(2 * 13).reshape(2, 13)  # a length that no other test reads
    with torch.inference_mode():
        read = architecture.hidden_states(config, weights, tokens)
    trained = architecture.hidden_states(config, weights, tokens)
    trained.sum().backward()
    assert torch.equal(read, trained)
    assert weights["layers.0.self_attn.q_proj.weight"].grad.abs().sum() > 0


@pytest.mark.parametrize("variant", ["llama", "qwen3"])
def test_hidden_states_lie_inside_their_bound(variant, tmp_path):
    model = load_reference(make_reference(variant), tmp_path)
    attend = PrefillAttention(None, torch.arange(2), 9)
    positions = torch.arange(9).repeat(2)
    with torch.inference_mode():
        hidden = model.forward(TOKENS.flatten(), positions, attend)
    assert (hidden.abs() <= model.hidden_bound).all()
    assert (hidden.abs() > 0.1 * model.hidden_bound).any()


@torch.no_grad()
def test_a_head_of_queries_and_a_perceptron_can_be_removed_by_their_scales(tmp_path):
    reference = copy.deepcopy(make_reference("llama"))
    model = load_reference(reference, tmp_path)
    scales = torch.ones(9, 3, 5)
    scales[:, 1, 2] = scales[:, 2, 4] = 0.0
    reference.model.layers[1].self_attn.o_proj.weight[:, 32:48] = 0.0
    reference.model.layers[2].mlp.down_proj.weight.zero_()
    attend = PrefillAttention(None, torch.arange(1), 9)
    found = model.forward(TOKENS[0], torch.arange(9), attend, scales)
    expected = reference.model(TOKENS[:1]).last_hidden_state[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
