"""Loads a model by name or path: `embedded`, a fetched one, a folder, or a hub name.

Owns where checkpoints come from and what is accepted: a known architecture in safetensors with
finite weights; and what the names of devices and types stand for. Executes no code from a file.
Knows nothing of what a network computes.
"""

import copy
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lm_envs.model import gpt2
from lm_envs.model.base import LanguageModel, ModelConfig, check_tensors
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

WEIGHTS = "model.safetensors"
_FILES = (
    *("config.json", "generation_config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json"),
    *("vocab.json", "merges.txt", "added_tokens.json"),
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """How the checkpoints of one kind of network are read.

    Attributes:
        network: Called with a `ModelConfig`, tensors by name, a dtype and `int8=`; returns the
            network.
        check_config: Called with the content of `config.json` and the file's name; raises
            ValueError if the network does not compute such a model.
        to_model_config: Returns the `ModelConfig` for the content of `config.json`.
        tensor_shapes: Returns the shapes of all tensors of a checkpoint by name.
        named_tensors: Called with the tensors of a file and the folder's name; returns them by
            the names of `tensor_shapes`.
    """

    network: Callable[..., LanguageModel]
    check_config: Callable[[Mapping[str, Any], str], None]
    to_model_config: Callable[[Mapping[str, Any]], ModelConfig]
    tensor_shapes: Callable[[ModelConfig], Mapping[str, tuple[int, ...]]]
    named_tensors: Callable[[Mapping[str, torch.Tensor], str], Mapping[str, torch.Tensor]] = (
        gpt2.named_tensors
    )


GPT2 = Architecture(gpt2.GPT2, gpt2.check_config, gpt2.to_model_config, gpt2.tensor_shapes)
ARCHITECTURES: dict[str, Architecture] = {"gpt2": GPT2}
"""Every supported `model_type` of `config.json`; the only list to edit for a new one."""

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
        return folder.resolve()
    return _download(model)


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
    folder: Path, device: str = "auto", dtype: str = "auto", num_tokens: int | None = None
) -> LanguageModel:
    """The model of a checkpoint folder; calls for the same file return the same object.

    Args:
        folder: Holds `config.json` and `model.safetensors`, as `save_pretrained` writes them.
        device: As for `resolve_device`.
        dtype: As for `resolve_dtype`.
        num_tokens: Number of the tokenizer's ids. Embeddings beyond it, which pad the matrix to a
            size that is fast to multiply, are left out: such ids have no text, and their logits
            would take part in every probability. None for all ids.

    Raises:
        ValueError: If the folder holds no finite GPT-2 in safetensors, or the device or dtype is
            not available.
    """
    device_name = resolve_device(device)
    dtype_name = resolve_dtype(dtype, device_name)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise _no_weights_error(folder)
    stamps = _stamp(folder / "config.json"), _stamp(weights)
    network = _load(folder, device_name, dtype_name, stamps)
    if num_tokens is None or num_tokens >= network.config.vocab_size:
        return network
    return _with_vocabulary(network, num_tokens)


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
    folder: Path, device: str, architecture: Architecture = GPT2
) -> tuple[ModelConfig, dict[str, torch.Tensor]]:
    """Shape and checked tensors of a checkpoint folder, by the names of its architecture.

    Raises:
        ValueError: If the folder holds no finite checkpoint of this architecture in safetensors.
    """
    path = folder / "config.json"
    values = _read_config(path)
    if ARCHITECTURES[_model_type(values)] is not architecture:
        raise ValueError(
            f"Got model_type={_model_type(values)!r} in {path}; this command works with GPT-2 only."
        )
    architecture.check_config(values, str(path))
    config = architecture.to_model_config(values)
    try:
        tensors = load_file(folder / WEIGHTS, device=device)
    except SafetensorError as error:
        raise ValueError(f"Got an unreadable {folder / WEIGHTS}: {error}.") from None
    if config.num_layers > len(tensors):  # before a table of all names is made
        raise ValueError(
            f"Got {config.num_layers} layers in {path}, but {len(tensors)} tensors in {WEIGHTS}; "
            "allowed: the config.json that was saved with the weights."
        )
    named = dict(architecture.named_tensors(tensors, str(folder)))
    check_tensors(named, architecture.tensor_shapes(config), folder)
    return config, named


def fingerprint(model: str) -> str:
    """Hexadecimal SHA-256 of the weights file of "embedded", a folder, or a hub name.

    What was fitted on one model stores it, to be refused for another.

    Raises:
        ValueError: If `model` is none of these, or the hub cannot be reached.
    """
    path = locate(model) / WEIGHTS
    return _digest(path, _stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    """Modification time, ns, and size, bytes: a changed file is loaded again."""
    if not path.is_file():
        return 0, 0
    return (status := path.stat()).st_mtime_ns, status.st_size


def _no_weights_error(folder: Path) -> ValueError:
    found = sorted(path.name for path in folder.glob("*") if path.is_file())
    remedy = (
        "pickled .bin weights are never loaded. Convert them once with "
        "`AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder)`"
    )
    if any(name.endswith(".index.json") for name in found):
        remedy = (
            "weights in several files are not loaded. Save them as one with `AutoModelForCausalLM."
            "from_pretrained(folder).save_pretrained(folder, max_shard_size='100GB')`"
        )
    elif not found:
        remedy = "the folder is empty. Save a model there with `model.save_pretrained(folder)`"
    return ValueError(f"Got {folder} without {WEIGHTS} (it holds {found}); {remedy}.")


@lru_cache(maxsize=SHARED_MODELS)
def _digest(path: Path, stamp: tuple[int, int]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=SHARED_MODELS)
def _load(
    folder: Path, device: str, dtype: str, stamps: tuple[tuple[int, int], ...]
) -> LanguageModel:
    architecture = ARCHITECTURES[_model_type(_read_config(folder / "config.json"))]
    config, tensors = read_checkpoint(folder, device, architecture)
    dtype_of_linears = DTYPES.get(dtype, torch.bfloat16)
    return architecture.network(config, tensors, dtype_of_linears, int8=dtype == INT8)


@lru_cache(maxsize=SHARED_MODELS)
def _with_vocabulary(network: LanguageModel, num_tokens: int) -> LanguageModel:
    """A view of a model with its first `num_tokens` tokens only; it shares the weights."""
    view = copy.copy(network)
    view.config = replace(network.config, vocab_size=num_tokens)
    view.token_embeddings = network.token_embeddings[:num_tokens]
    return view


def _read_config(path: Path) -> dict[str, Any]:
    """Content of `config.json`, whose `model_type` is supported."""
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"Got no readable GPT-2 configuration at {path}: {error}.") from None
    if not isinstance(values, dict):
        raise ValueError(f"Got {type(values).__name__} in {path}; allowed: a JSON object.")
    found = _model_type(values)
    if found not in list(ARCHITECTURES):  # a list cannot be a key, but can be refused
        allowed = ", ".join(map(repr, ARCHITECTURES))
        raise ValueError(
            f"Got model_type={found!r} in {path}; only model_type={allowed} is supported. "
            "Use a GPT-2 checkpoint (gpt2, gpt2-medium, gpt2-large, gpt2-xl, distilgpt2, …)."
        )
    return values


def _model_type(values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a value of a JSON file
    """The architecture's name; early GPT-2 checkpoints have none."""
    return values.get("model_type", "gpt2")


def _download(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=list(_FILES)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = first_line(error)
        raise ValueError(
            f"Got model={model!r}, which is no folder here and not available from the hub "
            f"({reason}). Allowed: 'embedded', a folder with config.json and model.safetensors, "
            "or a hub name such as 'gpt2' while online."
        ) from None
