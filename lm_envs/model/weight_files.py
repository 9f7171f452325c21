"""The files with a checkpoint's weights: `model.safetensors`, or shards and their index.

Owns which files these are, their tensors by name, their state and their digest. Pickled weights are
never loaded. Knows nothing of what the tensors are.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PATTERNS = (WEIGHTS, INDEX, "model-*-of-*.safetensors")
"""Of the names of the files, for a download."""

DIGESTS = 8
"""Number of digests that a process keeps."""

GGUF_REMEDY = (
    "convert it once: `AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=NAME, "
    "quantization_config=GgufConfig(dequantize=True)).save_pretrained(NEW)` and "
    "`AutoTokenizer.from_pretrained(FOLDER, gguf_file=NAME).save_pretrained(NEW)`, with "
    "transformers and gguf; then use model=NEW"
)

Stamp = tuple[str, int, int]
"""Name of a file, its modification time, ns, and its size, bytes."""


def find_weights(folder: Path) -> list[Path]:
    """Paths of the files with a checkpoint's weights: one, or the shards of the index.

    As in transformers, the index is not read where there is one file with all weights.

    Raises:
        ValueError: If there are none, or the index is malformed or names a missing file.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        raise _no_weights_error(folder)
    return sorted({folder / shard for shard in _weight_map(folder).values()})


def load_tensors(folder: Path, device: str) -> dict[str, torch.Tensor]:
    """Tensors of a checkpoint by their names in the files, on `device`.

    Raises:
        ValueError: If a file is missing or malformed, or a tensor of the index is missing in its
            file.
    """
    tensors: dict[str, torch.Tensor] = {}
    for path in find_weights(folder):
        try:
            found = load_file(path, device=device)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"Got an unreadable {path}: {error}.") from None
        if twice := found.keys() & tensors.keys():
            raise ValueError(
                f"Got the tensor {min(twice)!r} in {path} and in another file of {folder}; "
                f"allowed: each tensor once. {_SAVE_AGAIN}"
            )
        tensors |= found
    if not (folder / WEIGHTS).is_file():
        _check_complete(folder, tensors)
    return tensors


def stamps(folder: Path) -> tuple[Stamp, ...]:
    """State of the files with the weights: other files, or changed ones, have other stamps.

    Raises:
        ValueError: As for `find_weights`.
    """
    found = ((path.name, path.stat()) for path in find_weights(folder))
    return tuple((name, status.st_mtime_ns, status.st_size) for name, status in found)


def digest(folder: Path) -> str:
    """Hexadecimal SHA-256 of the weights: of the file, or of the shards in the order of names.

    Raises:
        ValueError: As for `find_weights`.
    """
    return _digest(folder, stamps(folder))


_SAVE_AGAIN = (
    "Download the folder again, or save the model again with `model.save_pretrained(folder)`."
)


def _weight_map(folder: Path) -> dict[str, str]:
    """Name of the file of each tensor, as the index has it; each file exists in the folder."""
    path = folder / INDEX
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"Got an unreadable {path}: {error}. {_SAVE_AGAIN}") from None
    found = values.get("weight_map") if isinstance(values, dict) else None
    if not isinstance(found, dict) or not found:
        raise ValueError(
            f"Got weight_map={found!r} in {path}; allowed: an object with the file name of each "
            f"tensor. {_SAVE_AGAIN}"
        )
    for shard in sorted(set(map(str, found.values()))):
        # A path would lead out of the folder, and pickled shards would execute code.
        if Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise ValueError(
                f"Got the file {shard!r} in {path}; allowed: names of .safetensors files in the "
                f"same folder. {_SAVE_AGAIN}"
            )
        if not (folder / shard).is_file():
            raise ValueError(
                f"Got {path} with the file {shard!r}, which is not in {folder}; allowed: an index "
                f"whose files all exist. {_SAVE_AGAIN}"
            )
    return found


def _check_complete(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Checks that each tensor of the index was in a file."""
    missing = [name for name in _weight_map(folder) if name not in tensors]
    if missing:
        raise ValueError(
            f"Got the tensor {missing[0]!r} in {folder / INDEX}, which is in none of the files "
            f"that it names; allowed: the index that was saved with the files. {_SAVE_AGAIN}"
        )


def _no_weights_error(folder: Path) -> ValueError:
    found = sorted(path.name for path in folder.glob("*") if path.is_file())
    remedy = (
        "pickled .bin weights are never loaded. Convert them once with "
        "`AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder)`"
    )
    if any(name.endswith(".gguf") for name in found):
        remedy = f"GGUF files are not loaded; {GGUF_REMEDY}"
    elif not found:
        remedy = "the folder is empty. Save a model there with `model.save_pretrained(folder)`"
    return ValueError(f"Got {folder} without {WEIGHTS} or {INDEX} (it holds {found}); {remedy}.")


@lru_cache(maxsize=DIGESTS)
def _digest(folder: Path, stamps: tuple[Stamp, ...]) -> str:
    total = hashlib.sha256()
    for name, *_ in stamps:
        with (folder / name).open("rb") as file:
            while block := file.read(2**20):
                total.update(block)
    return total.hexdigest()
