"""A pretrained model as a folder that `transformers` and `lm_envs` load, with its model card.

Owns the wording of the card and its samples. Trains nothing.
"""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from transformers import GPT2LMHeadModel

from agents.corpus.documents import documents
from agents.runs.files import copy_file, write_bytes, write_json, write_text
from lm_envs.tokenizer import Tokenizer

NUM_SAMPLES = 10
PROMPT_TOKENS, NEW_TOKENS = 12, 48
TEMPERATURE = 0.8

CARD = """---
license: mit
library_name: transformers
pipeline_tag: text-generation
---
# gpt2-embedded: a small GPT-2 for trying things out

A GPT-2 of {parameters:.1f} million parameters ({layers} blocks, width {width}, {heads} heads,
{vocabulary} tokens of byte-level BPE, {positions} positions), trained from scratch for `lm_envs` so
that its environments work offline. It writes recognizable but shallow English in the manner of its
sources, and knows the prompt formats of the tasks. It is no source of facts.

- **Data**: State of the Union addresses and CIA World Factbook (public domain), CLDR phrases
  (en-fr, en-zh), paraphrases, labeled sentences and dialogues of our own. See `PROVENANCE.md` one
  folder up.
- **Training**: `python -m agents.pretrain {config} --export {export}`; {tokens:.1f} million tokens,
  {steps} steps, {minutes} minutes of optimization on 2 CPU cores, bfloat16 autocast; {date}.
- **Weights**: bfloat16 safetensors.

## Held-out loss, nats per token

Documents and facts that were never trained on.

| {parts} |
| {rule} |
| {losses} |

## Ten unselected samples

The first {prompt_tokens} tokens of held-out documents (bold), then {new_tokens} tokens at
temperature {temperature}, seed 0; below each, what greedy decoding writes instead.

{samples}
"""


def write_model_folder(
    model: GPT2LMHeadModel, tokenizer: Path, result: Mapping[str, Any], config: Path, folder: Path
) -> None:
    """Writes config, bfloat16 weights, vocabulary and card to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"  # tied to the token embeddings
    }
    model.load_state_dict({**tensors, "lm_head.weight": tensors["transformer.wte.weight"]})
    metadata = {"format": "pt"}
    write_bytes(folder / "model.safetensors", save(tensors, metadata))
    settings = {key: value for key, value in model.config.to_dict().items() if value is not None}
    write_json(folder / "config.json", settings)
    copy_file(tokenizer, folder / "tokenizer.json")
    write_text(folder / "README.md", _card(model, folder, result, config))


def _card(model: GPT2LMHeadModel, folder: Path, result: Mapping[str, Any], config: Path) -> str:
    held_out = result["held_out"]
    return CARD.format(
        parameters=sum(p.numel() for p in model.parameters()) / 1e6,
        layers=model.config.n_layer,
        width=model.config.n_embd,
        heads=model.config.n_head,
        vocabulary=model.config.vocab_size,
        positions=model.config.n_positions,
        config=config,
        export=folder,
        tokens=result["tokens"] / 1e6,
        steps=result["steps"],
        minutes=result["minutes"],
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        parts=" | ".join(held_out),
        rule=" | ".join("---" for _ in held_out),
        losses=" | ".join(f"{loss:.2f}" for loss in held_out.values()),
        prompt_tokens=PROMPT_TOKENS,
        new_tokens=NEW_TOKENS,
        temperature=TEMPERATURE,
        samples="\n".join(_samples(model, Tokenizer.from_folder(folder))),
    )


@torch.inference_mode()
def _samples(model: GPT2LMHeadModel, tokenizer: Tokenizer) -> list[str]:
    lines = []
    torch.manual_seed(0)
    for number, text in enumerate(documents("prose", "test")[:NUM_SAMPLES], start=1):
        prompt = torch.as_tensor(tokenizer.encode(text)[None, :PROMPT_TOKENS])
        written = []
        for is_sampled in (True, False):
            options: dict[str, float] = {"temperature": TEMPERATURE} if is_sampled else {}
            tokens = model.generate(  # type: ignore[attr-defined]  # its stub asks for more
                prompt, do_sample=is_sampled, max_new_tokens=NEW_TOKENS, pad_token_id=0, **options
            )[0, PROMPT_TOKENS:]
            written.append(" ".join(tokenizer.decode(tokens.numpy()).split()))
        start = " ".join(tokenizer.decode(prompt[0].numpy()).split())
        lines += [f"{number}. **{start}** {written[0]}", f"   - greedy: {written[1]}"]
    return lines
