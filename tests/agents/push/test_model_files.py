"""Which files of a model are sent."""

import pytest

from agents.config.loading import UserError
from agents.push.model_files import is_model, names
from lm_envs.model.loading import locate


def test_weights_configuration_and_tokenizer_are_sent_and_nothing_else(tmp_path):
    found = names(locate("embedded"))
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(found)
    assert not [name for name in found if name.endswith((".py", ".bin", ".pt"))]


def test_a_folder_without_weights_is_no_model(tmp_path):
    assert not is_model(tmp_path)
    with pytest.raises(UserError, match=r"no model\.safetensors and config\.json"):
        names(tmp_path)
