"""Loads a model by name or path: `embedded`, a fetched one, a folder, or a hub name.

Owns where checkpoints come from and what is accepted: a known architecture in safetensors with
finite weights; and what the names of devices and types stand for. Executes no code from a file.
Knows nothing of what a network computes.
"""

import copy
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from lm_envs.model import weight_files
from lm_envs.model.architectures.base import Architecture
from lm_envs.model.architectures.registry import find_architecture
from lm_envs.model.base import LanguageModel, ModelConfig, check_tensors
from lm_envs.model.kernels.select import why_rows_vary
from lm_envs.storage import cache_folder
from lm_envs.validation import check_choice, first_line

EMBEDDED = "embedded"
FETCHED = ("smollm2",)
"""Names of models that `python -m agents.fetch NAME` writes to the cache of this library."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
INT8 = "int8"
"""As bfloat16, with weights and inputs of the linears rounded to int8; CPU only."""

SHARED_MODELS = 4
"""Number of models that a process keeps for environments to share."""

_FILES = (
    *("config.json", "generation_config.json", *weight_files.PATTERNS),
    *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
    "special_tokens_map.json",
    *("vocab.json", "merges.txt", "added_tokens.json", "vocab.txt"),
)
"""Names of the files that are downloaded from the hub, or their patterns."""


DEVICE_VARIABLE = "LM_ENVS_DEVICE"
"""Environment variable; the device that "auto" stands for, such as cpu or cuda:1."""


if hasattr(os, "register_at_fork"):
    # OpenMP's threads do not exist in a forked process, where the next parallel loop would wait for
    # them without end: AsyncVectorEnv, SubprocVecEnv and multiprocessing fork by default on Linux.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def locate(model: str) -> Path:
    """Folder of a checkpoint: the embedded one, a fetched one, a local one, or a download.

    Raises:
        ValueError: If `model` is none of these, is not fetched yet, or the hub cannot be reached.
    """
    if model == EMBEDDED:
        return Path(str(resources.files("lm_envs"))) / "assets" / "gpt2-embedded"
    if model in FETCHED:
        return _fetched(model)
    folder = Path(model).expanduser()
    if folder.is_dir():
        _check_is_model(folder, model)
        return folder.resolve()
    if folder.is_file():
        is_gguf = folder.suffix == ".gguf"
        remedy = weight_files.GGUF_REMEDY if is_gguf else f"use its folder, {str(folder.parent)!r}"
        raise ValueError(
            f"Got model={model!r}, a file; allowed: a folder with config.json and "
            f"model.safetensors; {remedy}."
        )
    return _download(model)


def _check_is_model(folder: Path, model: str) -> None:
    """Refuses a folder without `config.json`, before a part of a model is missed by its name."""
    if not (folder / "config.json").is_file():
        inner = folder / "model"
        hint = f" Use {str(inner)!r}." if (inner / "config.json").is_file() else ""
        raise ValueError(
            f"Got model={model!r}, a folder without config.json; allowed: a folder with "
            f"config.json, model.safetensors and a tokenizer, as `save_pretrained` writes them."
            f"{hint}"
        )


def fetched_folder(name: str) -> Path:
    """Folder of a model of `FETCHED` in the cache, whether it is fetched or not."""
    return cache_folder() / "models" / name


def _fetched(name: str) -> Path:
    if (folder := fetched_folder(name)).is_dir():
        return folder
    raise ValueError(
        f"Got model={name!r}, which is not in the cache ({folder} does not exist); run `python -m "
        f"agents.fetch {name}` once. A local folder of this name is './{name}'."
    )


def load(
    folder: Path,
    device: str = "auto",
    dtype: str = "auto",
    num_tokens: int | None = None,
    unwritten: Sequence[int] = (),
    *,
    deterministic: bool = False,
) -> LanguageModel:
    """The model of a checkpoint folder; calls for the same file return the same object.

    Args:
        folder: Holds `config.json` and `model.safetensors`, or shards and their index, as
            `save_pretrained` writes them.
        device: As for `resolve_device`.
        dtype: As for `resolve_dtype`.
        num_tokens: Number of the tokenizer's ids. Embeddings beyond it, which pad the matrix to a
            size that is fast to multiply, are left out: such ids have no text, and their logits
            would take part in every probability. None for all ids.
        unwritten: Ids below it that get the probability 0, such as special tokens.
        deterministic: A row's bits depend on no other row: not on how many there are, which are
            active, or how they are grouped. Slower on CUDA; on a CPU compiled kernels do it anyway.

    Raises:
        ValueError: If the folder has no finite model of a known kind, or an argument is not met.
    """
    device_name = resolve_device(device)
    dtype_name = resolve_dtype(dtype, device_name)
    stamps = weight_files.stamps(folder)
    # The configuration itself is a part of the key: a file that is edited twice within a tick of
    # the file system's clock can keep its time and its size.
    config = _read_config(folder / "config.json")
    is_special = deterministic and device_name.startswith("cuda")
    network = _load(folder, device_name, dtype_name, json.dumps(config), stamps, is_special)
    _check_rows(network, deterministic)
    size = network.config.vocab_size
    num_tokens = size if num_tokens is None else min(num_tokens, size)
    if num_tokens == size and not len(unwritten):
        return network
    return _with_vocabulary(network, num_tokens, tuple(map(int, unwritten)))


def _check_rows(network: LanguageModel, deterministic: bool) -> None:
    """Checks that a row's bits depend on no other row, if that is asked for."""
    if deterministic and not network.kernels.is_row_invariant:
        raise ValueError(
            f"Got deterministic=True on {network.device}, where a row's numbers depend on the "
            f"number of rows: {why_rows_vary(network.device)}; or use deterministic=False."
        )


def resolve_device(device: str) -> str:
    """The full name of a device: "cpu", "cuda:0", …; two names of one device become the same.

    Args:
        device: "auto" (the environment variable LM_ENVS_DEVICE if it is set, else CUDA where
            available, else the CPU), "cpu", "cuda" (the current CUDA device), "cuda:1", …

    Raises:
        ValueError: If there is no such device, or this process was forked from one that uses CUDA.
    """
    name, source = device, ""
    if device == "auto":
        name = os.environ.get(DEVICE_VARIABLE) or ("cuda" if torch.cuda.is_available() else "cpu")
        source = f" ({DEVICE_VARIABLE})" if os.environ.get(DEVICE_VARIABLE) else ""
    got = f"Got device={name!r}{source}"
    if name.startswith("cuda") and torch.cuda._is_in_bad_fork():
        raise ValueError(
            f"{got} in a process that was forked from one that uses CUDA; CUDA works in new "
            "processes only. Start them with SubprocVecEnv(..., start_method='spawn'), "
            "AsyncVectorEnv(..., context='spawn') or 'forkserver', or use device='cpu'."
        )
    try:
        torch.empty(0, device=name)
        found = torch.device(name)
    except (RuntimeError, AssertionError) as error:
        count = torch.cuda.device_count()
        there = f"CUDA devices here: {count}; " if name.startswith("cuda") and count else ""
        reason = first_line(error)
        raise ValueError(
            f"{got}, which is not available here ({there}{reason}); use 'auto' or 'cpu'."
        ) from None
    if found.type == "cuda" and found.index is None:
        return f"cuda:{torch.cuda.current_device()}"
    return str(found)


def resolve_dtype(dtype: str, device: str) -> str:
    """The type of the linears on a device: "float32", "bfloat16" or "int8".

    Args:
        dtype: "auto" (bfloat16 on CUDA devices that compute in it, else float32), "float32",
            "bfloat16" or "int8" (CPU only).
        device: Result of `resolve_device`.

    Raises:
        ValueError: If the type is unknown, or the device cannot compute in it.
    """
    if dtype == "auto":
        return "bfloat16" if device.startswith("cuda") and _has_bfloat16(device) else "float32"
    check_choice("dtype", dtype, ("auto", *DTYPES, INT8))
    if dtype == INT8 and not (device == "cpu" and torch.cpu._is_vnni_supported()):
        raise ValueError(
            f"Got dtype='int8' on {device}; it needs a CPU with VNNI instructions. Use 'bfloat16'."
        )
    return dtype


def _has_bfloat16(device: str) -> bool:
    """Whether a CUDA device has bfloat16 arithmetic; older ones emulate it, which is slow."""
    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


def read_checkpoint(
    folder: Path, device: str
) -> tuple[Architecture, ModelConfig, dict[str, torch.Tensor]]:
    """Architecture, shape and checked tensors of a checkpoint folder, by the architecture's names.

    Raises:
        ValueError: If the folder holds no finite checkpoint of a known architecture in safetensors.
    """
    path = folder / "config.json"
    values = _read_config(path)
    architecture = find_architecture(values, str(path))
    architecture.parse_config(values, str(path))  # before the weights are read
    tensors = weight_files.load_tensors(folder, device)
    config, named = architecture.read(values, tensors, str(folder))
    check_tensors(named, architecture.tensor_shapes(config), folder)
    return architecture, config, named


def read_model_config(folder: Path) -> ModelConfig:
    """Shape of the model of a checkpoint folder, by its `config.json` alone.

    Raises:
        ValueError: If the file is not of a known architecture.
    """
    path = folder / "config.json"
    values = _read_config(path)
    return find_architecture(values, str(path)).parse_config(values, str(path))


def fingerprint(model: str) -> str:
    """Hexadecimal SHA-256 of the weights of "embedded", a folder, or a hub name.

    What was fitted on one model stores it, to be refused for another.

    Raises:
        ValueError: If `model` is none of these, or the hub cannot be reached.
    """
    return weight_files.digest(locate(model))


@lru_cache(maxsize=SHARED_MODELS)
def _load(
    folder: Path,
    device: str,
    dtype: str,
    config_text: str,
    stamps: tuple[weight_files.Stamp, ...],
    deterministic: bool,
) -> LanguageModel:
    architecture, config, tensors = read_checkpoint(folder, device)
    dtype_of_linears = DTYPES.get(dtype, torch.bfloat16)
    options = {"deterministic": True} if deterministic else {}
    return architecture.network(config, tensors, dtype_of_linears, int8=dtype == INT8, **options)


@lru_cache(maxsize=SHARED_MODELS)
def _with_vocabulary(
    network: LanguageModel, num_tokens: int, unwritten: tuple[int, ...]
) -> LanguageModel:
    """A view of a model with its first `num_tokens` tokens only; it shares the weights."""
    view = copy.copy(network)
    view.config = replace(network.config, vocab_size=num_tokens)
    view.token_embeddings = network.token_embeddings[:num_tokens]
    view.head_weights = network.head_weights[:num_tokens]
    known = [token for token in unwritten if token < num_tokens]
    view.unwritten_tokens = torch.tensor(known, device=network.device) if known else None
    return view


def _read_config(path: Path) -> dict[str, Any]:
    """Content of `config.json`."""
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"Got no readable model configuration at {path}: {error}.") from None
    if not isinstance(values, dict):
        raise ValueError(f"Got {type(values).__name__} in {path}; allowed: a JSON object.")
    if quantized := values.get("quantization_config"):
        raise ValueError(
            f"Got quantization_config={quantized!r} in {path}; allowed: float weights. Convert the "
            "model once with `AutoModelForCausalLM.from_pretrained(FOLDER).dequantize()."
            "save_pretrained(NEW)`, or use the checkpoint that was quantized."
        )
    return values


def _download(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=list(_FILES)))
    except HFValidationError:  # a path, such as ./model
        reason = "and no name of the hub"
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = f"and not available from the hub ({first_line(error)})"
    raise ValueError(
        f"Got model={model!r}, which is no folder here {reason}. Allowed: 'embedded', a folder "
        "with config.json and model.safetensors, or a hub name such as 'gpt2' while online."
    )
