"""Section `lm_ppo`: training the weights of a language model, beside TRL where it is installed.

Owns the settings. The competitors are those of the subject `finetune`.
"""

import importlib.util
from dataclasses import replace
from functools import partial

from benchmarks.competitors.finetune_job import (
    FinetuneJob,
    FinetuneResult,
    environment_prompts,
)
from benchmarks.gpu.section import Row, Section
from benchmarks.gpu.training import run_module
from benchmarks.harness import device
from benchmarks.harness.models import GPT2_124M, model_folder
from benchmarks.subjects import finetune

CONFIG = "configs/next_word_lm_ppo.yaml"
NAMES = (finetune.OURS, "TRL GRPO")
TEXTS, REPEATS = 64, 3
NEEDED_S = 20.0


def run(section: Section) -> None:
    """Reports rounds on 124M weights, ours and TRL's, and a short run of the configuration."""
    model, count = ("embedded", 2) if section.is_small else (GPT2_124M, TEXTS)
    folder = model_folder(model)
    prompts = environment_prompts(folder, count)
    for dtype in ("float32",) if section.is_small else ("bfloat16", "float32"):
        job = FinetuneJob(folder, prompts, dtype, 1 if section.is_small else REPEATS)
        results: dict[str, FinetuneResult] = {}
        for name in NAMES:
            if not importlib.util.find_spec(finetune.PACKAGES.get(name, "torch")):
                section.report(name, note="not installed")
                continue
            measure_one = partial(_measure, name, job, results)
            section.attempt(name, NEEDED_S, measure_one, model=model)
    for is_bfloat16 in (False,) if section.is_small else (True, False):
        measure_one = partial(_finetune, section, is_bfloat16=is_bfloat16)
        section.attempt("agents.finetune, embedded", NEEDED_S, measure_one, bfloat16=is_bfloat16)


def _measure(name: str, job: FinetuneJob, results: dict[str, FinetuneResult]) -> Row:
    device.reset_peak()
    result = finetune.COMPETITORS[name](job)
    results[name] = replace(result, peak_bytes=device.peak_bytes())
    if finetune.OURS not in results:
        return {"n": job.num_texts, "dtype": job.dtype, "note": "ours failed: no comparison"}
    row = finetune.result_row(name, job, results)
    return {key: value for key, value in row.items() if key != "what"}


def _finetune(section: Section, *, is_bfloat16: bool) -> Row:
    steps = 192 if section.is_small else 6144
    assignments: dict[str, object] = {
        "total_timesteps": steps,
        "evaluation.every": steps,
        "checkpoint_every": steps,
        "evaluation.episodes": 4 if section.is_small else 64,
        "warm_start.steps": 2 if section.is_small else 20,
        "bfloat16": str(is_bfloat16).lower(),
    }
    if section.is_small:
        small = {"env.n_envs": 8, "algorithm.kwargs.n_steps": 24, "algorithm.kwargs.batch_size": 96}
        assignments |= {**small, "value_warm_up": 0, "warm_start.batch_size": 4}
    row, result = run_module(section, "agents.finetune", CONFIG, assignments)
    rewards = {name: each["reward"]["mean"] for name, each in result.get("stages", {}).items()}
    return row | {"steps": result.get("steps"), "rewards": rewards}
