from pathlib import Path

import pytest
import torch

from lm_envs.model.base import LanguageModel, ModelConfig, check_tensors, inference


def members(protocol):
    return {name for name in (*protocol.__annotations__, *vars(protocol)) if name[0] != "_"}


def test_gpt2_has_every_member_of_the_protocol(model):
    needed = members(LanguageModel)
    assert {"config", "forward", "hidden_bound", "linear", "token_embeddings"} <= needed
    assert all(hasattr(model, name) for name in needed)


def test_a_head_has_its_share_of_a_hidden_state():
    config = ModelConfig(700, 96, 3, 6, 6, 160, 384, 1e-5)
    assert config.head_size == 16


def test_a_tensor_that_the_model_does_not_have_is_named():
    shapes = {"a": (2,)}
    check_tensors({"a": torch.ones(2)}, shapes, Path("folder"))
    with pytest.raises(ValueError, match=r"Got tensors 'b' in folder.*allowed: only its own"):
        check_tensors({"a": torch.ones(2), "b": torch.ones(1)}, shapes, Path("folder"))
    with pytest.raises(ValueError, match=r"'a' of type torch\.int64 in folder; allowed: float32"):
        check_tensors({"a": torch.ones(2, dtype=torch.int64)}, shapes, Path("folder"))


@inference
def multiply(a, b):
    """A product of matrices."""
    return a @ b


def test_inference_keeps_types_and_records_no_gradient():
    a = torch.ones(2, 2, requires_grad=True)
    assert not multiply(a, b=a).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert (a @ a).dtype == torch.bfloat16
        assert multiply(a, b=a).dtype == torch.float32
        assert torch.is_autocast_enabled("cpu")
    assert (multiply.__name__, multiply.__doc__) == ("multiply", "A product of matrices.")
