"""What tests of tasks share: the embedded tokenizer, files of rows, and a fake reasoning_gym."""

import json
import sys
from functools import cache
from types import SimpleNamespace

from lm_envs.model.loading import EMBEDDED, locate
from lm_envs.tokenizer import Tokenizer


@cache
def embedded_tokenizer():
    return Tokenizer.from_folder(locate(EMBEDDED))


def write_rows(folder, rows):
    """Path of a JSONL file with these rows."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def prompts(task):
    return [tuple(task.example(index).prompt.tolist()) for index in range(task.num_examples)]


def option_texts(task, index, turns=()):
    return [option.text for option in task.options(task.example(index), turns)]


def install_reasoning_gym(monkeypatch, questions, score_answer):
    """Puts a package in place of reasoning_gym, with one task "sums" whose answers are all "4"."""

    class Sums(list):
        def score_answer(self, answer, entry):
            return score_answer(answer, entry)

    def create_dataset(name, seed, size):
        return Sums({"question": text, "answer": "4"} for text in questions(seed))

    factory = SimpleNamespace(DATASETS={"sums": Sums}, create_dataset=create_dataset)
    monkeypatch.setitem(sys.modules, "reasoning_gym", SimpleNamespace(factory=factory))
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", factory)
