"""Tokens per second and memory of a language model that generates, is rewarded, and learns from it.

One after another, each in a process of its own: our policy; the same with LoRA adapters; the same
without the episode buffer, which needs a forward pass for each token; the method of RL4LMs, with
three models and a forward pass for each token; and TRL's GRPO trainer. All generate N texts of
`NEW` tokens after prompts of `PROMPT`, and learn from them once, without dropout or action masks.
Our environment also evaluates every token with the frozen model, for the reward, without a prompt
cache.

Owns the comparison. How a competitor learns is in `benchmarks.competitors`.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from agents.language_model.memory_estimate import MemoryBudget
from agents.language_model.network import TrainableNetwork
from benchmarks.competitors import finetuners
from benchmarks.competitors.finetune_job import (
    NEW,
    PROMPT,
    FinetuneJob,
    FinetuneResult,
    environment_prompts,
)
from benchmarks.harness import timing
from benchmarks.harness.device import default_device, peak_bytes
from benchmarks.harness.models import model_folder
from benchmarks.harness.processes import receive, start_process
from benchmarks.subjects.defaults import DTYPES, MODEL, REPEATS
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice

OURS = "lm_envs"


def _as_rl4lms(job: FinetuneJob) -> FinetuneResult:
    # Here, as in the next one: every benchmark loads this module, and transformers takes seconds.
    from benchmarks.competitors.rl4lms import as_rl4lms

    return as_rl4lms(job)


def _trl_grpo(job: FinetuneJob) -> FinetuneResult:
    from benchmarks.competitors.trl_grpo import trl_grpo

    return trl_grpo(job)


COMPETITORS: Mapping[str, Callable[[FinetuneJob], FinetuneResult]] = {
    OURS: finetuners.per_episode,
    "lm_envs, LoRA": finetuners.per_episode_lora,
    "a forward per token": finetuners.per_token,
    "as RL4LMs": _as_rl4lms,
    "TRL GRPO": _trl_grpo,
}

PACKAGES = {"lm_envs, LoRA": "peft", "TRL GRPO": "trl"}
"""Packages that competitors need beside ours; without its package a competitor is left out."""

Row = dict[str, Any]


def run(
    model: str = MODEL,
    rows: Sequence[int] = (16,),
    dtypes: Sequence[str] = DTYPES,
    repeats: int = REPEATS,
) -> Row:
    """Compares all competitors on one model; returns a JSON document.

    `speedup` is how many times as many tokens per second our policy generates and learns from.
    Where a competitor generates fewer than ours, it compares learning alone. `writing_speedup` and
    `learning_speedup` compare the two halves of a round, where they can be separated. A competitor
    that learns from a part of its tokens has `median`, `tokens_per_s` and `speedup` of a round in
    which every token costs what those of the part cost.

    Raises:
        ValueError: If a dtype is int8, or an update from the most texts does not fit in memory.
    """
    for dtype in dtypes:
        check_choice("dtype", dtype, DTYPES)
    folder = model_folder(model)
    check_memory(folder, max(rows))
    results = [
        row
        for dtype in dtypes
        for num_texts in rows
        for row in _compare(
            FinetuneJob(folder, environment_prompts(folder, num_texts), dtype, repeats)
        )
    ]
    return {"subject": "finetune", "model": model, "prompt": PROMPT, "new": NEW, "rows": results}


def check_memory(folder: Path, num_texts: int) -> None:
    """Checks that an update from `num_texts` texts in float32 fits in the memory of the device.

    Raises:
        ValueError: If not; the message has the largest number that fits.
    """
    network = TrainableNetwork(folder, len(Tokenizer.from_folder(folder)))
    network.to(default_device())  # where the update runs: its free memory counts
    largest = MemoryBudget.for_network(network, PROMPT + NEW).max_texts
    if num_texts > largest:
        raise ValueError(f"Got {num_texts} texts to learn from; at most {largest} fit here.")


def compare(ours: FinetuneResult, other: FinetuneResult) -> Row:
    """Time per token of a competitor over ours; a ratio is None where either side is too noisy."""
    learning = _speedup(ours.update_s, ours.num_learned, other.update_s, other.num_learned)
    if other.num_generated != ours.num_generated:
        note = f"{other.num_learned} tokens of {ours.num_learned}; speedup of learning alone"
        return {"speedup": learning, "note": note}
    row: Row = {
        "speedup": _speedup(ours.round_s, ours.num_generated, other.round_s, other.num_generated)
    }
    if other.rollout_s:
        counts = (ours.num_generated, other.num_generated)
        writing = _speedup(ours.rollout_s, counts[0], other.rollout_s, counts[1])
        row |= {"writing_speedup": writing, "learning_speedup": learning}
    if other.num_learned < other.num_generated:
        part = f"{other.num_learned} tokens of {other.num_generated}"
        row["note"] = f"learned from {part}, the rest extrapolated"
    return row


def _compare(job: FinetuneJob) -> list[Row]:
    """A row for each competitor, those that are not installed included."""
    results = {
        name: _run_in_process(name, job)
        for name in COMPETITORS
        if importlib.util.find_spec(PACKAGES.get(name, "torch"))
    }
    return [result_row(name, job, results) for name in COMPETITORS]


def result_row(name: str, job: FinetuneJob, results: Mapping[str, FinetuneResult]) -> Row:
    """The row of a competitor, compared with ours, whose result must be there."""
    row: Row = {"what": name, "n": job.num_texts, "dtype": job.dtype}
    if name not in results:
        return row | {"note": f"not installed: pip install {PACKAGES[name]}"}
    result = results[name]
    rounds = timing.summarize(result.round_s)
    rate = result.num_generated / rounds.median
    row |= {"tokens_per_s": rate, **rounds.as_dict(), "peak_gib": result.peak_bytes / 2**30}
    if result.rollout_s:
        halves = {"writing_s": result.rollout_s, "learning_s": result.update_s}
        row |= {key: timing.summarize(seconds).median for key, seconds in halves.items()}
    return row | compare(results[OURS], result)


def _speedup(
    ours_s: Sequence[float], our_tokens: int, other_s: Sequence[float], other_tokens: int
) -> float | None:
    """Seconds per token of the other over ours."""
    per_token = (
        timing.summarize([seconds / num_tokens for seconds in durations])
        for durations, num_tokens in ((ours_s, our_tokens), (other_s, other_tokens))
    )
    return timing.speedup(*per_token)


def _run_in_process(name: str, job: FinetuneJob) -> FinetuneResult:
    """The result of a competitor in a new process, so that its peak memory is its own."""
    connection, process = start_process(_send_result, name, job)
    result = receive(connection, name)
    process.join()
    return result


def _send_result(connection: Connection, name: str, job: FinetuneJob) -> None:
    result = COMPETITORS[name](job)
    connection.send(replace(result, peak_bytes=peak_bytes()))
