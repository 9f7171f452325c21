"""Name or path to GPT-2: `embedded`, a folder, or a hub name.

Owns where checkpoints come from and what is accepted: GPT-2 in safetensors, finite weights. Never
executes code from a file.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lm_envs.model.gpt2 import GPT2, GPT2Config
from lm_envs.validation import check_choice, check_count

EMBEDDED = "embedded"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
INT8 = "int8"
"""bfloat16, but that the factors of the linears' products are rounded to 8 bits; CPU only."""
SHARED_MODELS = 4
"""How many models a process keeps for environments to share."""

_FILES = ("config.json", "model.safetensors", "tokenizer.json", "vocab.json", "merges.txt")
_SIZES = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
_FIXED_CONFIG = {
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}


def locate(model: str) -> Path:
    """Folder of a checkpoint: the embedded one, a local folder, or a download from the hub.

    Raises:
        ValueError: If `model` is none of these, or the hub cannot be reached.
    """
    if model == EMBEDDED:
        return Path(str(resources.files("lm_envs"))) / "assets" / "gpt2-embedded"
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.resolve()
    return _download(model)


def load(folder: Path, device: str = "auto", dtype: str = "auto") -> GPT2:
    """The model of a checkpoint folder; asked again for the same file, the same object.

    Args:
        folder: Holds `config.json` and `model.safetensors`, as `save_pretrained` writes them.
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", …
        dtype: "auto" (bfloat16 on CUDA, float32 on CPU), "float32", "bfloat16" or "int8".

    Raises:
        ValueError: If the folder holds no finite GPT-2 in safetensors, or the device or dtype is
            not available.
    """
    place = _device(device)
    kind = _dtype(dtype, place)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        found = sorted(path.name for path in folder.glob("*") if path.is_file())
        raise ValueError(
            f"Got {folder} without model.safetensors (it holds {found}); pickled .bin weights "
            "are never loaded. Convert them once with "
            "`AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder)`."
        )
    stamp = weights.stat()
    return _load(folder, place, kind, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=SHARED_MODELS)
def _load(folder: Path, device: str, dtype: str, stamp: tuple[int, int]) -> GPT2:
    config = _config(folder / "config.json")
    try:
        tensors = load_file(folder / "model.safetensors", device=device)
    except SafetensorError as error:
        raise ValueError(f"Got an unreadable {folder / 'model.safetensors'}: {error}.") from None
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    _check(tensors, config, folder)
    return GPT2(config, tensors, DTYPES.get(dtype, torch.bfloat16), int8=dtype == INT8)


def _config(path: Path) -> GPT2Config:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"Got no readable GPT-2 configuration at {path}: {error}.") from None
    if not isinstance(values, dict):
        raise ValueError(f"Got {type(values).__name__} in {path}; allowed: a JSON object.")
    for key, needed in _FIXED_CONFIG.items():
        if values.get(key, needed) != needed:
            raise ValueError(
                f"Got {key}={values[key]!r} in {path}; only {key}={needed!r} is supported. "
                "Use a GPT-2 checkpoint (gpt2, gpt2-medium, gpt2-large, gpt2-xl, distilgpt2, …)."
            )
    for key in _SIZES:
        check_count(f"{path}: {key}", values.get(key))
    width, heads = values["n_embd"], values["n_head"]
    if width % heads:
        raise ValueError(f"Got n_embd={width} in {path}; allowed: a multiple of n_head={heads}.")
    return GPT2Config(
        values["vocab_size"],
        values["n_positions"],
        width,
        values["n_layer"],
        heads,
        values.get("n_inner") or 4 * width,
        values.get("layer_norm_epsilon", 1e-5),
    )


def _check(tensors: Mapping[str, torch.Tensor], config: GPT2Config, folder: Path) -> None:
    for name, shape in _shapes(config).items():
        if name not in tensors:
            raise ValueError(f"Got {folder} without tensor {name!r}; this is not a whole GPT-2.")
        if tuple(tensors[name].shape) != shape:
            got = tuple(tensors[name].shape)
            raise ValueError(f"Got {name!r} of shape {got} in {folder}; config.json asks {shape}.")
        if not torch.isfinite(tensors[name]).all():
            raise ValueError(
                f"Got NaN or infinite values in {name!r} of {folder}; such a model writes noise. "
                "Use an earlier checkpoint."
            )


def _shapes(config: GPT2Config) -> dict[str, tuple[int, ...]]:
    width, inner = config.n_embd, config.n_inner
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (config.vocab_size, width),
        "wpe.weight": (config.n_positions, width),
        "ln_f.weight": (width,),
        "ln_f.bias": (width,),
    }
    for layer in range(config.n_layer):
        for name, inputs, outputs in (
            ("attn.c_attn", width, 3 * width),
            ("attn.c_proj", width, width),
            ("mlp.c_fc", width, inner),
            ("mlp.c_proj", inner, width),
        ):
            shapes[f"h.{layer}.{name}.weight"] = (inputs, outputs)
            shapes[f"h.{layer}.{name}.bias"] = (outputs,)
        for norm in ("ln_1", "ln_2"):
            shapes[f"h.{layer}.{norm}.weight"] = shapes[f"h.{layer}.{norm}.bias"] = (width,)
    return shapes


def _device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"Got device={device!r}, which is not available here ({reason}); use 'auto' or 'cpu'."
        ) from None
    return device


def _dtype(dtype: str, device: str) -> str:
    if dtype == "auto":
        return "bfloat16" if device.startswith("cuda") else "float32"
    check_choice("dtype", dtype, ("auto", *DTYPES, INT8))
    if dtype == INT8 and not (device == "cpu" and torch.cpu._is_vnni_supported()):
        raise ValueError(
            f"Got dtype='int8' on {device}; it needs a CPU with VNNI instructions. Use 'bfloat16'."
        )
    return dtype


def _download(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=list(_FILES)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"Got model={model!r}, which is no folder here and not to be had from the hub "
            f"({reason}). Allowed: 'embedded', a folder with config.json and model.safetensors, "
            "or a hub name such as 'gpt2' while on line."
        ) from None
