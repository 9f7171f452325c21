import contextlib
import dataclasses
import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys

import gymnasium as gym
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from lm_envs.model import loading
from lm_envs.model.architectures import gpt2, registry
from lm_envs.model.lm_head import LMHead, top_k_top_p_mask


@pytest.fixture
def folder(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "model")


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_tensors(folder, change):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})


def test_the_same_file_is_loaded_once(checkpoint):
    first = loading.load(checkpoint, "cpu", "float32")
    assert loading.load(checkpoint, "cpu", "float32") is first
    assert loading.load(checkpoint, "cpu", "bfloat16") is not first


def test_a_changed_file_is_loaded_again(folder):
    first = loading.load(folder, "cpu", "float32")
    change_tensors(folder, lambda tensors: tensors["transformer.ln_f.bias"].add_(1))
    assert loading.load(folder, "cpu", "float32") is not first


def test_tensor_names_without_the_prefix_load_the_same_model(folder, model):
    change_tensors(
        folder,
        lambda tensors: [
            tensors.update({n.removeprefix("transformer."): tensors.pop(n)}) for n in list(tensors)
        ],
    )
    loaded = loading.load(folder, "cpu", "float32")
    assert torch.equal(loaded.token_embeddings, model.token_embeddings)


def test_an_unknown_name_is_refused_with_the_allowed_ones():
    with pytest.raises(ValueError, match=r"no/such-model.*'embedded', a folder"):
        loading.locate("no/such-model")


@pytest.mark.parametrize("name", ["./no-model", "/no/model", "~/no-model", "a/b/c"])
def test_a_path_that_is_no_folder_is_refused_without_the_hubs_rules_for_names(name):
    with pytest.raises(ValueError, match=r"no folder here and no name of the hub\. Allowed") as got:
        loading.locate(name)
    assert "Repo id" not in str(got.value)


def test_a_folder_that_is_no_model_is_refused_with_the_model_in_it(tmp_path):
    with pytest.raises(ValueError, match=r"a folder without config\.json; .* writes them\.$"):
        loading.locate(str(tmp_path))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    with pytest.raises(ValueError, match=rf"Use '{tmp_path}/model'\.$"):
        loading.locate(str(tmp_path))


def test_pickled_weights_are_never_loaded(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pickled \.bin weights are never loaded"):
        loading.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mamba"}, "model_type='mamba' in .*; allowed: 'gpt2', 'llama'"),
        ({"activation_function": "mish"}, "activation_function='mish' in .*; allowed: 'gelu'"),
        ({"tie_word_embeddings": False}, "without tensor 'lm_head.weight'"),
        ({"add_cross_attention": True}, "only add_cross_attention=False is supported"),
    ],
)
def test_a_checkpoint_of_an_unknown_network_is_refused(folder, changes, message):
    change_config(folder, **changes)
    with pytest.raises(ValueError, match=message):
        loading.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_embd": None}, r"config\.json: n_embd=None; allowed: a whole number"),
        ({"n_layer": "2"}, r"config\.json: n_layer='2'; allowed: a whole number"),
        ({"n_head": 5}, r"n_embd=\d+ in .*; allowed: a multiple of n_head=5"),
    ],
)
def test_an_impossible_shape_is_refused(folder, changes, message):
    change_config(folder, **changes)
    with pytest.raises(ValueError, match=message):
        loading.load(folder)


def test_a_configuration_that_is_not_an_object_is_refused(folder):
    (folder / "config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"Got list in .*config\.json; allowed: a JSON object"):
        loading.load(folder)


def test_nan_weights_are_refused(folder):
    change_tensors(folder, lambda tensors: tensors["transformer.h.1.ln_1.weight"].fill_(torch.nan))
    with pytest.raises(ValueError, match=r"NaN or infinite values in 'h\.1\.ln_1\.weight'"):
        loading.load(folder)


def test_a_missing_tensor_is_named(folder):
    change_tensors(folder, lambda tensors: tensors.pop("transformer.wpe.weight"))
    with pytest.raises(ValueError, match=r"without tensor 'wpe\.weight'"):
        loading.load(folder)


def test_a_tensor_of_another_shape_than_the_config_is_refused(folder):
    change_config(folder, n_positions=99)
    with pytest.raises(ValueError, match=r"'wpe\.weight' of shape \(160, 96\).*asks \(99, 96\)"):
        loading.load(folder)


def test_a_truncated_file_is_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="unreadable"):
        loading.load(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"dtype": "float16"}, "dtype='float16'; allowed"), ({"device": "warp"}, "device='warp'")],
)
def test_an_unknown_device_or_dtype_is_refused(checkpoint, options, message):
    with pytest.raises(ValueError, match=message):
        loading.load(checkpoint, **options)


def pretend_cuda(monkeypatch, count=1, bfloat16=True):
    """Makes this process believe that it has CUDA devices."""
    empty = torch.empty

    def make(*sizes, device=None, **options):
        if torch.device(device or "cpu").index in (None, *range(count)):
            return empty(*sizes, **options)
        raise RuntimeError("CUDA error: invalid device ordinal\nand more lines")

    monkeypatch.setattr(torch, "empty", make)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: count - 1)
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)


def test_auto_is_the_device_of_the_environment_variable(monkeypatch):
    pretend_cuda(monkeypatch)
    monkeypatch.setenv("LM_ENVS_DEVICE", "cpu")
    assert loading.resolve_device("auto") == "cpu"
    assert loading.resolve_device("cuda") == "cuda:0"
    monkeypatch.delenv("LM_ENVS_DEVICE")
    assert loading.resolve_device("auto") == "cuda:0"
    monkeypatch.setenv("LM_ENVS_DEVICE", "warp")
    with pytest.raises(ValueError, match=r"Got device='warp' \(LM_ENVS_DEVICE\), which is not"):
        loading.resolve_device("auto")


def test_the_current_cuda_device_has_one_name(monkeypatch):
    """Regression: "cuda" and "cuda:0" were loaded twice."""
    pretend_cuda(monkeypatch, count=2)
    assert [loading.resolve_device(name) for name in ("cuda", "cuda:1", "cuda:0", "cpu")] == [
        *("cuda:1", "cuda:1", "cuda:0", "cpu")
    ]


def test_an_absent_cuda_device_is_refused_with_the_number_of_devices(monkeypatch):
    pretend_cuda(monkeypatch, count=2)
    with pytest.raises(
        ValueError, match=r"Got device='cuda:7'.*\(CUDA devices here: 2; .*ordinal\)"
    ):
        loading.resolve_device("cuda:7")


def test_cuda_without_bfloat16_arithmetic_computes_in_float32(monkeypatch):
    pretend_cuda(monkeypatch, bfloat16=False)
    assert loading.resolve_dtype("auto", "cuda:0") == "float32"
    assert loading.resolve_dtype("bfloat16", "cuda:0") == "bfloat16"
    pretend_cuda(monkeypatch, bfloat16=True)
    assert loading.resolve_dtype("auto", "cuda:0") == "bfloat16"


def test_cuda_in_a_forked_process_is_refused_with_the_remedy(monkeypatch):
    """Regression: PyTorch's "Cannot re-initialize CUDA" came without the arguments to change."""
    pretend_cuda(monkeypatch)
    monkeypatch.delenv("LM_ENVS_DEVICE")
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    with pytest.raises(ValueError, match=r"forked .*start_method='spawn'.*context='spawn'"):
        loading.resolve_device("auto")
    assert loading.resolve_device("cpu") == "cpu"


def test_int8_is_refused_without_vnni(checkpoint, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    with pytest.raises(ValueError, match="dtype='int8' on cpu; it needs a CPU with VNNI"):
        loading.load(checkpoint, "cpu", "int8")


def test_the_fingerprint_is_the_hash_of_the_weights_file(folder):
    first = loading.fingerprint(str(folder))
    weights = (folder / "model.safetensors").read_bytes()
    assert first == hashlib.sha256(weights).hexdigest()
    change_tensors(folder, lambda tensors: tensors["transformer.ln_f.bias"].add_(1))
    assert loading.fingerprint(str(folder)) != first


def test_a_listed_architecture_is_loaded_by_its_model_type(folder, monkeypatch):
    class Other(gpt2.GPT2):
        """The same network under another name."""

    change_config(folder, model_type="other")
    with pytest.raises(ValueError, match=r"Got model_type='other'.*allowed: 'gpt2'"):
        loading.load(folder, "cpu", "float32")
    other = dataclasses.replace(gpt2.ARCHITECTURE, network=Other)
    monkeypatch.setitem(registry.ARCHITECTURES, "other", other)
    assert type(loading.load(folder, "cpu", "float32")) is Other


FORK = """
import multiprocessing, sys
import gymnasium as gym, numpy as np
from stable_baselines3.common.vec_env import SubprocVecEnv
import lm_envs

ID = "lm_envs/NextWord-v0"

def rewards(mode):
    envs = gym.make_vec(ID, num_envs=2, vectorization_mode=mode, max_new_tokens=4)
    envs.reset(seed=3)
    found = [envs.step(np.array([i, i + 1]))[1] for i in range(6)]
    envs.close()
    return np.array(found)

def one_step(action):
    env = gym.make(ID)
    env.reset(seed=0)
    return env.step(action)[1]

expected = rewards("sync"), one_step(2)
if sys.argv[1] == "async":
    assert (rewards("async") == expected[0]).all()
elif sys.argv[1] == "subproc":
    envs = SubprocVecEnv([lambda: gym.make(ID)] * 2, start_method="fork")
    envs.seed(0)
    envs.reset()
    assert envs.step(np.array([2, 2]))[1][0] == expected[1]
    envs.close()
else:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(one_step, [2, 2]) == [expected[1]] * 2
print("done")
"""


@pytest.mark.parametrize(
    ("kind", "native"), [("async", "1"), ("async", "0"), ("subproc", "1"), ("pool", "1")]
)
def test_a_process_that_used_a_model_can_fork(kind, native, tmp_path):
    """Regression: the child waited without end for OpenMP's threads, which a fork does not copy."""
    values = os.environ | {"OMP_NUM_THREADS": "2", "LM_ENVS_NATIVE": native}
    command = [sys.executable, "-c", FORK, kind]
    with (tmp_path / "out").open("w+") as out:  # a file, which children that hang cannot block
        child = subprocess.Popen(command, env=values, stdout=out, start_new_session=True)
        try:
            assert child.wait(timeout=120) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        out.seek(0)
        assert out.read() == "done\n"


def test_ids_beyond_the_tokenizer_are_left_out_of_every_probability(folder):
    """Regression: embeddings that pad the matrix were candidates and counted in the sum."""
    whole, cut = (loading.load(folder, "cpu", "float32", size) for size in (None, 300))
    assert cut is loading.load(folder, "cpu", "float32", 300)
    assert loading.load(folder, "cpu", "float32", 700) is whole
    assert (whole.config.vocab_size, cut.config.vocab_size) == (700, 300)
    hidden = torch.randn(4, 96, generator=torch.manual_seed(0))
    found = LMHead(cut, 300, required=0).top_k(hidden)
    assert found.candidates.max() < 300
    torch.testing.assert_close(found.logprobs.exp().sum(1), torch.ones(4))


@pytest.mark.parametrize("name", ["lm_head.weight", "module.transformer.lm_head.weight"])
def test_a_head_of_its_own_is_used_unless_the_config_ties_it(folder, name):
    """Regression: the tied head was used without a word."""
    embeddings = load_file(folder / "model.safetensors")["transformer.wte.weight"]
    head = embeddings + 1
    change_tensors(folder, lambda tensors: tensors.update({name: head}))
    change_config(folder, tie_word_embeddings=True)
    with pytest.raises(ValueError, match=r"'lm_head\.weight' other than 'wte\.weight'.*=false"):
        loading.load(folder)
    for tied in (False, None):
        change_config(folder, tie_word_embeddings=tied)
        loaded = loading.load(folder, "cpu", "float32")
        assert torch.equal(loaded.head_weights, head)
        assert torch.equal(loaded.token_embeddings, embeddings)


def test_a_tied_head_alone_stands_for_the_embeddings(folder, model):
    change_tensors(
        folder,
        lambda tensors: tensors.update({"lm_head.weight": tensors.pop("transformer.wte.weight")}),
    )
    loaded = loading.load(folder, "cpu", "float32")
    assert torch.equal(loaded.token_embeddings, model.token_embeddings)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_unwritten_ids_are_no_candidates_and_count_in_no_probability(folder, dtype):
    whole = loading.load(folder, "cpu", dtype)
    cut = loading.load(folder, "cpu", dtype, 300, [3, 7, 299, 500])
    assert cut is loading.load(folder, "cpu", dtype, 300, [3, 7, 299, 500])
    hidden = torch.randn(9, 96, generator=torch.manual_seed(0))
    found = LMHead(cut, 297, required=0).top_k(hidden)
    assert not torch.isin(found.candidates, torch.tensor([3, 7, 299])).any()
    torch.testing.assert_close(found.logprobs.exp().sum(1), torch.ones(9), atol=2e-3, rtol=0)
    logits = hidden @ whole.head_weights[:300].float().T
    logits[:, [3, 7, 299]] = -torch.inf
    expected = logits.log_softmax(1).gather(1, found.candidates)
    torch.testing.assert_close(found.logprobs, expected, atol=2e-2, rtol=0)
    first = loading.load(folder, "cpu", dtype, 300, [0, 1])  # as of SmolLM2 and Llama 2
    tokens = torch.arange(9) + 5
    logits = hidden @ whole.head_weights[:300].float().T
    logits[:, :2] = -torch.inf
    expected = logits.log_softmax(1).gather(1, tokens[:, None])[:, 0]
    found = LMHead(first, 1, required=5).token_logprobs(hidden, tokens)
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=0)
    allowed = top_k_top_p_mask(LMHead(cut, 5, required=0).logits(hidden), None, None)
    assert allowed.sum(1).eq(297).all()


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_dropped(folder, model, prefix):
    change_tensors(
        folder,
        lambda tensors: [tensors.update({prefix + n: tensors.pop(n)}) for n in list(tensors)],
    )
    loaded = loading.load(folder, "cpu", "float32")
    assert torch.equal(loaded.token_embeddings, model.token_embeddings)


def test_tensors_that_the_model_does_not_have_are_refused_by_name(folder):
    """Regression: a file with one layer more than n_layer lost it without a word."""
    change_config(folder, n_layer=2)
    with pytest.raises(ValueError, match=r"Got tensors 'h\.2\.attn\.c_attn\.bias', .* and 9 more"):
        loading.load(folder)


def test_causal_masks_of_early_checkpoints_are_ignored(folder):
    masks = {"h.0.attn.bias": torch.ones(1, 1, 160, 160).tril().bool()}
    masks["transformer.h.2.attn.masked_bias"] = torch.tensor(-1e4)
    change_tensors(folder, lambda tensors: tensors.update(masks))
    assert loading.load(folder, "cpu", "float32").config.num_layers == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_norm_epsilon": None}, "layer_norm_epsilon=None; allowed: a finite number"),
        ({"layer_norm_epsilon": True}, "layer_norm_epsilon=True; allowed: a finite number"),
        ({"layer_norm_epsilon": 1e30}, "layer_norm_epsilon=1e.30 in .*; allowed: over 0, up to 1"),
        ({"n_layer": 10**7}, r"10000000 layers in .*config\.json, but 40 tensors"),
        ({"n_inner": 0.5}, r"n_inner=0\.5; allowed: a whole number"),
    ],
)
def test_numbers_that_no_model_has_are_refused(folder, changes, message):
    change_config(folder, **changes)
    with pytest.raises(ValueError, match=message):
        loading.load(folder)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float8_e4m3fn])
def test_weights_that_are_no_floats_are_refused(folder, dtype):
    def change(tensors):
        name = "transformer.h.1.ln_1.weight"
        tensors[name] = tensors[name].to(dtype)

    change_tensors(folder, change)
    with pytest.raises(ValueError, match=r"'h\.1\.ln_1\.weight' of type torch.*; allowed: float32"):
        loading.load(folder)


def test_a_changed_configuration_is_read_again(folder):
    """Regression: only the weights' time and size decided whether a model was loaded again."""
    first = loading.load(folder, "cpu", "float32")
    change_config(folder, layer_norm_epsilon=0.5)
    assert loading.load(folder, "cpu", "float32").config.norm_epsilon == 0.5
    assert first.config.norm_epsilon == 1e-5


def test_a_configuration_that_changes_within_a_tick_of_the_clock_is_read_again(folder):
    path = folder / "config.json"
    status = path.stat()
    first = loading.load(folder, "cpu", "float32")
    path.write_text(path.read_text().replace("1e-05", "1e-06"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    found = loading.load(folder, "cpu", "float32")
    assert (first.config.norm_epsilon, found.config.norm_epsilon) == (1e-5, 1e-6)


def test_shards_load_the_same_model_as_one_file(folder, model):
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, max_shard_size="200KB")
    (folder / "model.safetensors").unlink()
    loaded = loading.load(folder, "cpu", "float32")
    assert torch.equal(loaded.token_embeddings, model.token_embeddings)
    assert loading.fingerprint(str(folder)) != loading.fingerprint("embedded")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_load_their_values(folder, dtype):
    change_tensors(folder, lambda ts: [ts.update({n: ts[n].to(dtype)}) for n in list(ts)])
    expected = load_file(folder / "model.safetensors")["transformer.wte.weight"].float()
    assert torch.equal(loading.load(folder, "cpu", "float32").token_embeddings, expected)


def test_a_quantized_checkpoint_is_refused_with_the_line_that_converts_it(folder):
    change_config(folder, quantization_config={"quant_method": "gptq"})
    with pytest.raises(ValueError, match=r"'gptq'.* in .*config\.json; .*dequantize\(\)"):
        loading.load(folder)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("model.gguf", r"GgufConfig\(dequantize=True\)"), ("model.safetensors", "use its folder")],
)
def test_a_file_in_place_of_its_folder_is_refused_with_the_remedy(tmp_path, name, remedy):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=rf"{name}', a file; allowed: a folder .*{remedy}"):
        loading.locate(str(tmp_path / name))


def test_nothing_in_a_model_folder_is_executed(folder):
    """A pickle, and code for `trust_remote_code`, write a file if they run."""
    trace = folder / "executed"
    code = f"open({str(trace)!r}, 'w')"
    (folder / "modeling_evil.py").write_text(code)
    change_config(folder, auto_map={"AutoModelForCausalLM": "modeling_evil.Evil"})
    (folder / "pytorch_model.bin").write_bytes(b"cbuiltins\nexec\n(V" + code.encode() + b"\ntR.")
    gym.make("lm_envs/NextWord-v0", model=str(folder), max_new_tokens=4).reset(seed=0)
    assert not trace.exists()
    pickle.loads((folder / "pytorch_model.bin").read_bytes())
    assert trace.exists()  # the pickle would have done it
