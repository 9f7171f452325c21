"""A fine-tuned model as a folder that plain `transformers` and `lm_envs` load."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save

from agents.files import write_atomically, write_json, write_text
from agents.language_model.policy import LanguageModelPolicy
from lm_envs.model import weights


def save_pretrained(policy: LanguageModelPolicy, folder: Path, card: str) -> None:
    """Writes weights (float32 safetensors), configuration, tokenizer and model card.

    Raises:
        FloatingPointError: If a weight is NaN or infinite; nothing is written then.
    """
    model = policy.network.model
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"  # tied to the word embeddings
    }
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise FloatingPointError(f"Got NaN or infinity in {name!r}; nothing was written.")
    folder.mkdir(parents=True, exist_ok=True)
    settings = {key: value for key, value in model.config.to_dict().items() if value is not None}
    write_json(folder / "config.json", {**settings, "dtype": "float32"})
    source = weights.locate(policy.model_name)
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        if (source / name).is_file():
            write_atomically(
                folder / name, lambda path, name=name: shutil.copy(source / name, path)
            )
    content = save(tensors, {"format": "pt"})
    write_atomically(folder / "model.safetensors", lambda path: path.write_bytes(content))
    write_text(folder / "README.md", card)
