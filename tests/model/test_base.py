from lm_envs.model.base import LanguageModel, ModelConfig


def members(protocol):
    return {name for name in (*protocol.__annotations__, *vars(protocol)) if name[0] != "_"}


def test_gpt2_has_every_member_of_the_protocol(model):
    needed = members(LanguageModel)
    assert {"config", "forward", "hidden_bound", "linear", "token_embeddings"} <= needed
    assert all(hasattr(model, name) for name in needed)


def test_a_head_has_its_share_of_a_hidden_state():
    config = ModelConfig(700, 96, 3, 6, 6, 160, 384, 1e-5)
    assert config.head_size == 16
