"""TRL's GRPOTrainer over the tool environments: its own code calls the tools and pays the rewards.

The model is a tiny Qwen3 with random weights, which would never write a call; `generate` writes the
lines of a script instead, one for each round of the tool loop. Needs TRL, which has a virtual
environment of its own: see docs/services.md.
"""

import json
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="TRL is not installed: see docs/services.md")

import torch
import trl
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from trl import GRPOConfig, GRPOTrainer

from lm_envs.model import loading
from lm_envs.services import dataset_rows, tool_environments

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SPECIAL = ("<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>")
SHAPE = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "head_dim": 16}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1}


class ScriptedModel(Qwen3ForCausalLM):
    """Each row writes its next line; the number of calls in the prompt is that of lines before."""

    def generate(self, input_ids, **_):
        lines = [self.line(row) for row in input_ids]
        written = torch.nn.utils.rnn.pad_sequence(lines, True, self.pad)
        return torch.cat([input_ids, written], 1)

    def line(self, row):
        start = (row == self.answer_start).nonzero()[:, 0]  # of the system's example, then of ours
        done = len(start) - self.before
        text = self.script[done] if done < len(self.script) else "Done."
        return torch.tensor(self.encode(f"{text}<|im_end|>"))


def call(name, **arguments):
    content = json.dumps({"name": name, "arguments": arguments})
    return f"<tool_call>\n{content}\n</tool_call>"


def make_tokenizer():
    folder = loading.locate(loading.EMBEDDED)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"})
    tokenizer.add_tokens(list(SPECIAL), special_tokens=False)
    templates = Path(trl.__file__).parent / "chat_templates"
    tokenizer.chat_template = (templates / "qwen3.jinja").read_text()
    return tokenizer


def train(tmp_path, task, script, **options):
    """Two steps on one example; returns the rewards and the calls that TRL logged."""
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = Qwen3Config(vocab_size=len(tokenizer), tie_word_embeddings=True, **SHAPE, **HEADS)
    model = ScriptedModel(config)
    model.script, model.pad = script, tokenizer.pad_token_id
    model.answer_start = tokenizer.convert_tokens_to_ids("<tool_call>")
    model.encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    rows = dataset_rows(task, **options)[:1]
    make = tool_environments(task, **options)
    prompt = tokenizer.apply_chat_template(
        rows[0]["prompt"], tools=list(make().tools.values()), tokenize=False
    )
    model.before = prompt.count("<tool_call>")
    settings = GRPOConfig(
        output_dir=str(tmp_path), max_steps=2, per_device_train_batch_size=2, num_generations=2,
        max_completion_length=400, report_to="none", logging_steps=1, use_cpu=True,
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=model,
        args=settings,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(rows),
        environment_factory=make,
    )
    trainer.train()
    logs = [row for row in trainer.state.log_history if "reward" in row]
    return [row["reward"] for row in logs], [row["tools/call_frequency"] for row in logs]


def test_trl_wins_a_dialogue_by_the_tools(tmp_path):
    episode = tool_environments("dialogue", split="train")().episode
    grant = episode.task.customers[0].grant
    lines = ("Could you please tell me your order number?", "May I ask why you send it back?")
    script = [call("reply", message=line) for line in (*lines, f"Thank you. {grant}")]
    rewards, calls = train(tmp_path, "dialogue", script, split="train")
    assert rewards == pytest.approx([1.0 - 0.3 * 3 / 5 + 0.2] * 2, abs=1e-5)
    assert calls == [3.0, 3.0]


def test_trl_walks_over_the_graph(tmp_path):
    env = tool_environments("knowledge_graph", hops=1)()
    relation = env.episode.task.oracle_completion(env.episode.task.example(0), [])
    script = [call("relations"), call("follow", relation=relation), call("stop")]
    rewards, calls = train(tmp_path, "knowledge_graph", script, hops=1)
    assert rewards == pytest.approx([1.0 + 0.5 - 0.2 * 2 / 5] * 2, abs=1e-5)
    assert calls == [3.0, 3.0]


def test_trl_answers_a_question(tmp_path):
    episode = tool_environments("question_answering", split="validation")().episode
    script = [call("answer", text=episode.task.example(0).targets[0])]
    rewards, calls = train(tmp_path, "question_answering", script, split="validation")
    assert rewards == [1.0, 1.0]
    assert calls == [1.0, 1.0]
