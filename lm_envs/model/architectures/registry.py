"""Every supported `model_type` of `config.json`: the only list to edit for a new architecture."""

from collections.abc import Mapping
from typing import Any

from lm_envs.model.architectures.base import Architecture
from lm_envs.model.architectures.gpt2 import ARCHITECTURE as GPT2
from lm_envs.model.architectures.llama import LLAMA, MISTRAL, QWEN2, QWEN3

ARCHITECTURES: dict[str, Architecture] = {
    "gpt2": GPT2,
    "llama": LLAMA,
    "mistral": MISTRAL,
    "qwen2": QWEN2,
    "qwen3": QWEN3,
}


def find_architecture(values: Mapping[str, Any], source: str) -> Architecture:
    """Returns the architecture of a `config.json`; early GPT-2 files have no `model_type`.

    Args:
        values: The file's content.
        source: Name of the file, for messages.

    Raises:
        ValueError: If the `model_type` is not supported.
    """
    found = values.get("model_type", "gpt2")
    if found not in list(ARCHITECTURES):  # a list cannot be a key, but can be refused
        allowed = ", ".join(map(repr, ARCHITECTURES))
        raise ValueError(
            f"Got model_type={found!r} in {source}; allowed: {allowed}. Use a checkpoint of one of "
            "them (gpt2, distilgpt2, SmolLM2, Llama 3.2, Qwen2.5, Qwen3, Mistral, …)."
        )
    return ARCHITECTURES[found]
