"""Export of a policy's language model as a folder that `transformers` and `lm_envs` load.

Owns the files and the order of writing. The value head is not exported.
"""

from pathlib import Path

from safetensors.torch import save

from agents.language_model.lora import merged_weights
from agents.language_model.policy import LanguageModelPolicy
from agents.runs import nan_guard
from agents.runs.files import copy_file, write_bytes, write_json, write_text

TIED = "lm_head.weight"
"""Tensor of the output head; not written where it shares its memory with the token embeddings."""

VOCABULARY_FILES = (
    *("tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "added_tokens.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "generation_config.json"),
    "chat_template.jinja",
)
"""Files of the tokenizer, the tokens that end a text and the chat template."""

CARD = """---
library_name: transformers
pipeline_tag: text-generation
---
# {name}

A language model (`{kind}`) of {parameters:.1f} million parameters ({layers} blocks, width
{width}), float32, trained with `lm_envs` from `{source}`.

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

    Each file is replaced atomically, the weights before the card, so that an interruption leaves a
    model that loads: the former one or this one.

    Args:
        policy: Its network is exported.
        folder: Made if it does not exist.
        step: Training step, for the error message.
        story: Markdown for the card: training and results.

    Raises:
        FloatingPointError: If a weight is NaN or infinite; the folder is then unchanged.
    """
    nan_guard.check_parameters(policy, step)
    model = policy.network.model
    for name in VOCABULARY_FILES:
        source = policy.folder / name
        if source.is_file() and source != folder.resolve() / name:
            copy_file(source, folder / name)
    write_json(folder / "config.json", policy.network.exported_config())
    shared = {TIED} if model.config.tie_word_embeddings else set()
    tensors = {
        name: tensor.cpu().float().contiguous()
        for name, tensor in merged_weights(model).items()
        if name not in shared
    }
    write_bytes(folder / "model.safetensors", save(tensors, {"format": "pt"}))
    num_parameters = sum(tensor.numel() for tensor in tensors.values())
    write_text(folder / "README.md", _card(policy, folder, story, num_parameters))


def _card(policy: LanguageModelPolicy, folder: Path, story: str, num_parameters: int) -> str:
    config = policy.network.model.config
    return CARD.format(
        name=folder.name,
        parameters=num_parameters / 1e6,
        kind=config.model_type,
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        source=policy.model_name,
        story=story,
    )
