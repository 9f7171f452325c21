"""Small models that tests share; made once, on local disk."""

import os
import signal

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# device="auto" is the CPU in all tests, on machines with a GPU too: exact numbers are asserted.
# Tests marked `gpu` pass device="cuda".
os.environ.setdefault("LM_ENVS_DEVICE", "cpu")

from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # Triton's kernels are tested on the CPU

from lm_envs.model import loading

try:
    from hypothesis import settings
except ImportError:
    pass  # on a machine where only the tests marked `gpu` run
else:
    # Time limits of single examples fail on a machine that other programs share.
    settings.register_profile("no_deadline", deadline=None)
    settings.load_profile("no_deadline")


@pytest.fixture(scope="session", autouse=True)
def _fixed_threads():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


@pytest.fixture(scope="session", autouse=True)
def _default_ctrl_c():
    """Lets SIGINT interrupt tests and their processes, also where a shell has it ignored.

    A shell without job control starts `pytest … &` so that SIGINT is ignored, and each child of
    pytest inherits that; tests of Ctrl-C would wait for a process that never stops.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def reference_model():
    """An untrained GPT-2 of transformers with weights large enough to disagree about."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    shape = {"n_layer": 3, "n_embd": 96, "n_head": 6, "vocab_size": 700, "n_positions": 160}
    model = GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=0, eos_token_id=0)).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(4)
    return model


@pytest.fixture(scope="session")
def checkpoint(reference_model, tmp_path_factory) -> Path:
    """The same model as a folder, with a tokenizer of 275 tokens: embeddings are padded to 700."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    folder = tmp_path_factory.mktemp("checkpoint")
    reference_model.save_pretrained(folder)
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(["the cat sat on the mat, and the dog on the cat"], trainer)
    backend.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def model(checkpoint):
    """The same model in our engine's form, float32."""
    return loading.load(checkpoint, "cpu", "float32")


@pytest.fixture(scope="session")
def llama_checkpoint(checkpoint, tmp_path_factory) -> Path:
    """A tiny Llama with a head of its own and two heads of queries to each of keys."""
    return _save_variant("llama", checkpoint, tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session", params=["gpt2", "llama", "qwen3"])
def any_checkpoint(request, checkpoint, llama_checkpoint, tmp_path_factory) -> Path:
    """A checkpoint of each family, with tied embeddings and without."""
    if request.param == "qwen3":
        return _save_variant("qwen3", checkpoint, tmp_path_factory.mktemp("qwen3"))
    return {"gpt2": checkpoint, "llama": llama_checkpoint}[request.param]


def _save_variant(variant, checkpoint, folder):
    """Writes a variant with the tokenizer of `checkpoint`."""
    import shutil

    from tests.model.architectures.checkpoints import make_reference

    make_reference(variant).save_pretrained(folder)
    shutil.copy(checkpoint / "tokenizer.json", folder)
    return folder
