import pytest
import torch

from lm_envs.model.architectures.base import HEAD
from lm_envs.model.architectures.registry import ARCHITECTURES
from tests.model.architectures.checkpoints import VARIANTS, make_reference
from tests.model.engines import draw

LLAMA = ARCHITECTURES["llama"]
VALUES = make_reference("llama, tied").config.to_dict()
TENSORS = make_reference("llama, tied").model.state_dict()


def read(**changes):
    """Reads the tensors with some of them replaced, or removed by None."""
    tensors = {name: each for name, each in (TENSORS | changes).items() if each is not None}
    return LLAMA.read(VALUES, tensors, "folder")


@pytest.mark.parametrize("variant", VARIANTS)
def test_tensor_shapes_are_those_of_transformers(variant):
    reference = make_reference(variant)
    architecture = ARCHITECTURES[reference.config.model_type]
    values = reference.config.to_dict()
    config, named = architecture.read(values, reference.state_dict(), "folder")
    shapes = {name: tuple(tensor.shape) for name, tensor in named.items()}
    assert architecture.tensor_shapes(config) == shapes
    assert (HEAD in named) != config.is_tied == values["tie_word_embeddings"]


@pytest.mark.parametrize("prefix", ["", "model.", "module.model.", "_orig_mod.model."])
def test_prefixes_are_dropped(prefix):
    tensors = {f"{prefix}{name}": tensor for name, tensor in TENSORS.items()}
    _, named = LLAMA.read(VALUES, tensors, "folder")
    assert named.keys() == TENSORS.keys()


def test_names_of_transformers_have_the_prefix_again():
    reference = make_reference("llama")
    _, named = LLAMA.read(reference.config.to_dict(), reference.state_dict(), "folder")
    assert LLAMA.with_prefix(named).keys() == reference.state_dict().keys()


def test_a_tied_head_is_dropped_or_stands_for_missing_embeddings():
    embeddings = TENSORS["embed_tokens.weight"]
    for own in (embeddings, None):
        config, named = read(**{"embed_tokens.weight": own, HEAD: embeddings})
        assert config.is_tied
        assert HEAD not in named
        assert torch.equal(named["embed_tokens.weight"], embeddings)


def test_a_head_that_contradicts_the_config_is_refused():
    head = draw(*TENSORS["embed_tokens.weight"].shape)
    with pytest.raises(ValueError, match=r"'lm_head.weight' other than 'embed_tokens.weight'.*=fa"):
        read(**{HEAD: head})


def test_two_tensors_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"two tensors 'norm\.weight' in folder.*prefix 'model.'"):
        read(**{"model.norm.weight": TENSORS["norm.weight"]})


def test_buffers_of_early_files_are_ignored():
    _, named = read(**{"layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)})
    assert named.keys() == TENSORS.keys()


def test_more_layers_than_tensors_are_refused():
    with pytest.raises(ValueError, match=r"1000000 layers in folder/config\.json, but 29 tensors"):
        LLAMA.read(VALUES | {"num_hidden_layers": 10**6}, TENSORS, "folder")
