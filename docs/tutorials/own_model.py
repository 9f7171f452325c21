"""
Your own model
==============

``model=`` takes a folder as ``save_pretrained`` of transformers writes it: GPT-2, Llama, Mistral or
Qwen, in safetensors. This tutorial trains a copy of the embedded GPT-2 a little on other texts with
plain PyTorch, saves it, and makes an environment of it.
"""

# %%
# A checkpoint of transformers
# ----------------------------
#
# ``locate`` returns the folder of a model. Any folder of yours takes its place.

import tempfile
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from lm_envs.model.loading import locate

source = locate("embedded")
network = GPT2LMHeadModel.from_pretrained(source)
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(source / "tokenizer.json"))
print(f"{network.num_parameters():,} parameters, {len(tokenizer):,} tokens")

# %%
# Other texts
# -----------

UPDATES = 30
SENTENCES = [
    "The robot opened the door and waited for the cat.",
    "The cat looked at the robot and went back to sleep.",
    "In the evening the robot told the cat a story about the sea.",
]

optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
batch = [torch.tensor([tokenizer.encode(sentence)]) for sentence in SENTENCES]
for update in range(UPDATES):
    loss = sum(network(tokens, labels=tokens).loss for tokens in batch) / len(batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if update in (0, UPDATES - 1):
        print(f"update {update}: loss {loss.item():.2f} nats a token")

folder = Path(tempfile.mkdtemp()) / "robot"
network.eval().save_pretrained(folder)
tokenizer.save_pretrained(folder)
print(sorted(path.name for path in folder.iterdir()))

# %%
# An environment of it
# --------------------
#
# Nothing in the folder is executed: only safetensors and JSON are read.

import gymnasium as gym

import lm_envs  # noqa: F401 - registers the ids

env = gym.make("lm_envs/NextWord-v0", model=str(folder), max_new_tokens=12)
env.reset(seed=0, options={"prompt": "The robot opened"})
is_over = False
while not is_over:
    *_, terminated, truncated, info = env.step(0)
    is_over = terminated or truncated
print(info["prompt"] + info["text"])

# %%
# The candidates are those of transformers, in the same order:

_, info = env.reset(seed=0, options={"prompt": "The robot opened"})
batch = env.unwrapped.batch
with torch.no_grad():
    logits = network(torch.tensor([tokenizer.encode("The robot opened")])).logits[0, -1]
theirs = logits.topk(4).indices.tolist()
ours = batch.outputs.candidates[0, :4].tolist()
print("transformers:", tokenizer.convert_ids_to_tokens(theirs))
print("environment: ", tokenizer.convert_ids_to_tokens(ours))
assert ours == theirs

# %%
# Larger models
# -------------
#
# .. code-block:: sh
#
#    python -m agents.fetch smollm2
#    python -m agents.train configs/smollm2_next_word_ppo.yaml
#
# ``model="gpt2"`` or another hub name is downloaded by ``huggingface_hub``. Chat models read
# prompts in their own template with ``chat_template=True``. On a CPU ``dtype="bfloat16"`` or
# ``"int8"`` is faster where the processor has the instructions. :doc:`/models` has the list of
# architectures and tokenizers, and :doc:`/project/contributing` the recipe for another
# architecture.
