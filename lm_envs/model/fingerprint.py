"""Which model: the SHA-256 of its weights file, so that what was fitted on one knows another.

Knows nothing of networks.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from lm_envs.model import loading


def fingerprint(model: str) -> str:
    """Hexadecimal SHA-256 of the weights of "embedded", a folder, or a hub name.

    Raises:
        ValueError: If `model` is none of these, or the hub cannot be reached.
    """
    path = loading.locate(model) / "model.safetensors"
    stamp = path.stat()
    return _digest(path, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=loading.SHARED_MODELS)
def _digest(path: Path, stamp: tuple[int, int]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
