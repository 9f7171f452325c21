"""Words per second of a language model that writes, is judged, and learns from it; and the memory.

One after another, each in a process of its own: our policy; the same learning adapters alone; the
same without episodes, where each word's text is read again for its gradient; the way of RL4LMs,
with three models and a forward pass a word; and TRL's GRPO trainer. All write N texts of `NEW`
words after prompts of `PROMPT`, and learn from them once, with no dropout and no mask. Ours also
reads every word with the frozen model, which judges it and remembers no prompt.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from agents.language_model.memory_estimate import MemoryBudget
from agents.language_model.network import TrainableGPT2
from benchmarks.competitors import finetuners
from benchmarks.competitors.finetune_job import NEW, PROMPT, Job, Outcome, prompts_of
from benchmarks.competitors.rl4lms import as_rl4lms
from benchmarks.harness import timing
from benchmarks.harness.models import folder_of
from benchmarks.harness.processes import answer_of, peak_bytes, start
from lm_envs.tokenizer import Tokenizer

OURS = "lm_envs"
CONTESTANTS: Mapping[str, Callable[[Job], Outcome]] = {
    OURS: finetuners.ours,
    "lm_envs, LoRA": finetuners.ours_adapted,
    "a forward per word": finetuners.per_transition,
    "as RL4LMs": as_rl4lms,
    "TRL GRPO": finetuners.trl_grpo,
}

PACKAGES = {"lm_envs, LoRA": "peft", "TRL GRPO": "trl"}
"""What contestants need beside us."""

Row = dict[str, Any]


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> Row:
    """All contestants on one model; a JSON document.

    `speedup` is how many times as many words per second ours writes and learns from; where a
    contestant writes less than ours, how many times as many it learns from. `writing_speedup` and
    `learning_speedup` are those of the parts, where both can be told apart. A contestant that
    writes all but learns from few of its words has `median`, `tokens_per_s` and `speedup` of a
    round in which every word costs what those few did.

    Raises:
        ValueError: If an update from the most texts does not fit in memory.
    """
    folder = folder_of(model)
    check_memory(folder, max(rows))
    results = [
        row
        for dtype in dtypes
        for num_texts in rows
        for row in _compare(Job(folder, prompts_of(folder, num_texts), dtype, repeats))
    ]
    return {"subject": "finetune", "model": model, "prompt": PROMPT, "new": NEW, "rows": results}


def check_memory(folder: Path, num_texts: int) -> None:
    """Refuses more texts than an update in float32 has room for, before any are written.

    Raises:
        ValueError: Naming the largest number that does fit.
    """
    network = TrainableGPT2(folder, len(Tokenizer.from_folder(folder)))
    largest = MemoryBudget.for_network(network, PROMPT + NEW).max_texts
    if num_texts > largest:
        raise ValueError(f"Got {num_texts} texts to learn from; at most {largest} fit here.")


def _compare(job: Job) -> list[Row]:
    outcomes = {
        name: _in_a_process(name, job)
        for name in CONTESTANTS
        if importlib.util.find_spec(PACKAGES.get(name, "torch"))
    }
    return [_row(name, job, outcomes) for name in CONTESTANTS]


def _row(name: str, job: Job, outcomes: Mapping[str, Outcome]) -> Row:
    row: Row = {"what": name, "n": job.num_texts, "dtype": job.dtype}
    if name not in outcomes:
        return row | {"note": f"not installed: pip install {PACKAGES[name]}"}
    own = outcomes[name]
    spent = timing.summarize(own.rounds)
    rate = own.written / spent.median
    row |= {"tokens_per_s": rate, **spent.as_dict(), "peak_gib": own.peak_bytes / 2**30}
    if own.writing:
        parts = {"writing": own.writing, "learning": own.learning}
        row |= {f"{part}_s": timing.summarize(taken).median for part, taken in parts.items()}
    return row | comparison(outcomes[OURS], own)


def comparison(mine: Outcome, own: Outcome) -> Row:
    """How many times the time of ours another takes for a word; None where that is too noisy."""
    learning = _ratio(mine.learning, mine.words, own.learning, own.words)
    if own.written != mine.written:
        note = f"{own.words} words of {mine.words}; speedup of learning alone"
        return {"speedup": learning, "note": note}
    row: Row = {"speedup": _ratio(mine.rounds, mine.written, own.rounds, own.written)}
    if own.writing:
        writing = _ratio(mine.writing, mine.written, own.writing, own.written)
        row |= {"writing_speedup": writing, "learning_speedup": learning}
    if own.words < own.written:
        row["note"] = f"learned from {own.words} words of {own.written}, the rest extrapolated"
    return row


def _ratio(
    mine: Sequence[float], my_words: int, theirs: Sequence[float], their_words: int
) -> float | None:
    per_word = (
        timing.summarize([seconds / words for seconds in taken])
        for taken, words in ((mine, my_words), (theirs, their_words))
    )
    return timing.ratio(*per_word)


def _in_a_process(name: str, job: Job) -> Outcome:
    """The outcome of a contestant in a new process, whose memory is its own."""
    connection, process = start(_serve, name, job)
    outcome = answer_of(connection, name)
    process.join()
    return outcome


def _serve(connection: Connection, name: str, job: Job) -> None:
    outcome = CONTESTANTS[name](job)
    connection.send(replace(outcome, peak_bytes=peak_bytes()))
