"""A policy's language model as a folder that plain `transformers` and `lm_envs` load.

Owns the files and their order. The value head is not part of it.
"""

import shutil
from pathlib import Path

from safetensors.torch import save

from agents.language_model.lora import merged_weights
from agents.language_model.policy import LanguageModelPolicy
from agents.runs import nan_guard
from agents.runs.files import write_json, write_text
from lm_envs.storage import write_atomically

TIED = "lm_head.weight"
"""The output head is the word embeddings; only those are written."""

VOCABULARY_FILES = ("tokenizer.json", "vocab.json", "merges.txt")

CARD = """---
library_name: transformers
pipeline_tag: text-generation
---
# {name}

A GPT-2 of {parameters:.1f} million parameters ({layers} blocks, width {width}), float32, trained
with `lm_envs` from `{source}`.

```python
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("{name}")
```

In `lm_envs`: `gymnasium.make("lm_envs/NextWord-v0", model="{name}")`.

{story}
"""


def save_pretrained(
    policy: LanguageModelPolicy, folder: Path, *, step: int = 0, story: str = ""
) -> None:
    """Writes config.json, tokenizer, model.safetensors and a model card.

    Each file is replaced whole, the weights before the card, so that an interruption leaves a model
    that loads: the one before or this one.

    Args:
        policy: Whose network is meant.
        folder: Made if it is not there.
        step: Of training, for the error message.
        story: Markdown for the card: how the model was trained and what came of it.

    Raises:
        FloatingPointError: If a weight is NaN or infinite; the folder is left as it was.
    """
    nan_guard.check_parameters(policy, step)
    model = policy.network.model
    for name in VOCABULARY_FILES:
        source = policy.folder / name
        if source.is_file() and source != folder.resolve() / name:
            write_atomically(folder / name, lambda path, source=source: shutil.copy(source, path))
    given = model.config.to_dict()
    settings = {k: v for k, v in given.items() if v is not None and k != "_name_or_path"}
    plain = {"dtype": "float32", "activation_function": "gelu_new"}  # as GPT-2's own checkpoints
    write_json(folder / "config.json", settings | plain)
    tensors = {
        name: tensor.cpu().float().contiguous()
        for name, tensor in merged_weights(model).items()
        if name != TIED
    }
    weights = save(tensors, {"format": "pt"})
    write_atomically(folder / "model.safetensors", lambda path: path.write_bytes(weights))
    num_parameters = sum(tensor.numel() for tensor in tensors.values())
    write_text(folder / "README.md", _card(policy, folder, story, num_parameters))


def _card(policy: LanguageModelPolicy, folder: Path, story: str, num_parameters: int) -> str:
    config = policy.network.model.config
    return CARD.format(
        name=folder.name,
        parameters=num_parameters / 1e6,
        layers=config.n_layer,
        width=config.n_embd,
        source=policy.model_name,
        story=story,
    )
