"""Section `profile`: the kernels of a decoding step, their number and their time.

Owns what is profiled. The numbers are those of `torch.profiler`.
"""

from functools import partial

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.competitors import ours
from benchmarks.gpu.engine import make_job
from benchmarks.gpu.section import Section
from benchmarks.harness.models import GPT2_124M

STEPS = 4
MOST_ROWS = 24
LONGEST_NAME = 120


def run(section: Section) -> None:
    """Reports the totals of a step and the kernels that take the most time."""
    model = "embedded" if section.is_small else GPT2_124M
    dtype = "bfloat16" if section.is_cuda else "float32"
    job = make_job(section, model, 2 if section.is_small else 64, dtype)
    bare = ours.make_engine(job)
    bare.prefill(np.arange(job.num_rows), list(job.random_prompts()[:, :-1]))
    step = partial(_steps, bare, job.prompt - 1)
    step()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if section.is_cuda else [])]
    with profile(activities=activities) as found:
        step()
        if section.is_cuda:
            torch.cuda.synchronize()
    key = "self_device_time_total" if section.is_cuda else "self_cpu_time_total"
    events = [event for event in found.key_averages() if getattr(event, key) > 0]
    total = sum(getattr(event, key) for event in events) / STEPS
    count = sum(event.count for event in events) / STEPS
    labels = {"model": model, "n": job.num_rows, "dtype": dtype}
    section.report("one step", **labels, count=count, us=total)
    for event in sorted(events, key=lambda event: -getattr(event, key))[:MOST_ROWS]:
        values = {"count": event.count / STEPS, "us": getattr(event, key) / STEPS}
        section.report(event.key[:LONGEST_NAME], **values)


def _steps(bare: ours.Engine, length: int) -> None:
    """Decodes a few tokens after the first `length` of each row."""
    for _ in range(STEPS):
        bare.lengths[:] = length  # overwrites the keys and values of the step before
        bare.decode(bare.outputs.candidates[:, 0])
