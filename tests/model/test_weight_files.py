import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file

from lm_envs.model import weight_files

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
A, B = torch.arange(3.0), torch.ones(2)


@pytest.fixture
def folder(tmp_path):
    """Two shards and their index."""
    save_file({"a": A}, tmp_path / FIRST)
    save_file({"b": B}, tmp_path / SECOND)
    write_index(tmp_path, {"a": FIRST, "b": SECOND})
    return tmp_path


def write_index(folder, weight_map):
    (folder / weight_files.INDEX).write_text(json.dumps({"weight_map": weight_map}))


def test_shards_are_read_as_one_checkpoint(folder):
    tensors = weight_files.load_tensors(folder, "cpu")
    assert torch.equal(tensors.pop("a"), A)
    assert torch.equal(tensors.pop("b"), B)
    assert not tensors


def test_one_file_with_all_weights_comes_before_the_index(folder):
    save_file({"c": B}, folder / "model.safetensors")
    assert weight_files.load_tensors(folder, "cpu").keys() == {"c"}


def test_a_changed_shard_changes_the_stamps_and_the_digest(folder):
    before = weight_files.stamps(folder), weight_files.digest(folder)
    save_file({"b": torch.ones(3)}, folder / SECOND)
    after = weight_files.stamps(folder), weight_files.digest(folder)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_the_digest_of_one_file_is_its_sha256(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": A}, path)
    assert weight_files.digest(tmp_path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        (
            {"a": FIRST, "b": "model-3.safetensors"},
            r"the file 'model-3\.safetensors', which is not",
        ),
        ({"a": FIRST, "b": "../b.safetensors"}, r"the file '\.\./b\.safetensors' in .*same folder"),
        ({"a": FIRST, "b": "b.bin"}, r"the file 'b\.bin' in .*allowed: names of \.safetensors"),
        ({"a": FIRST, "b": 3}, r"the file '3' in .*allowed: names of \.safetensors"),
        ({"a": FIRST, "c": SECOND}, r"the tensor 'c' in .*index\.json, which is in none"),
        ([], r"weight_map=\[\] in .*index\.json; allowed: an object"),
    ],
)
def test_an_index_that_does_not_fit_its_files_is_refused(folder, weight_map, message):
    write_index(folder, weight_map)
    with pytest.raises(ValueError, match=message):
        weight_files.load_tensors(folder, "cpu")


def test_a_broken_index_is_refused(folder):
    (folder / weight_files.INDEX).write_text("{")
    with pytest.raises(ValueError, match=r"unreadable .*index\.json.*Download the folder again"):
        weight_files.find_weights(folder)


def test_a_tensor_in_two_shards_is_refused(folder):
    save_file({"a": A, "b": B}, folder / SECOND)
    with pytest.raises(ValueError, match=r"the tensor 'a' in .*00002.* and in another file"):
        weight_files.load_tensors(folder, "cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_model.bin", r"pickled \.bin weights are never loaded.*save_pretrained"),
        ("model.Q4_0.gguf", r"GGUF files are not loaded; convert it once: .*gguf_file=NAME"),
        (None, "the folder is empty. Save a model there"),
    ],
)
def test_a_folder_without_weights_is_refused_with_its_own_remedy(tmp_path, name, message):
    if name is not None:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=message):
        weight_files.find_weights(tmp_path)
