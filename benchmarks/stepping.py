"""Environment steps per second: what the text and reward side costs on top of the engine.

Owns the sections "stepping" (N rows as an agent steps them) and "context" (cost by length).
"""

from dataclasses import replace
from functools import partial

from benchmarks import ours
from benchmarks.contest import Entry, against, hold, rows_of
from benchmarks.job import Job
from benchmarks.results import Comparison, Labels, Row
from benchmarks.work import Shape

ENVIRONMENT, ENGINE = "lm_envs environment", "lm_envs engine"
STEPS_PER_S = "steps/s"
CONTEXTS = (64, 512)
CONTEXT_ROWS = 16
CONTEXT_STEPS = 16

Found = tuple[list[Row], list[Comparison]]


def contest(job: Job, model: str, repeats: int) -> Found:
    """The environment beside its engine, and beside what agents do with it."""
    entries = [
        Entry(ENVIRONMENT, partial(ours.Environment, job), STEPS_PER_S),
        Entry(ENGINE, partial(ours.BareEngine, job), STEPS_PER_S),
        Entry("lm_envs random actions", partial(ours.RandomWalk, job), STEPS_PER_S),
        Entry("SB3 PPO rollout", partial(ours.Rollout, job), STEPS_PER_S),
    ]
    outcome = hold(entries, repeats, job.device)
    labels: Labels = {"model": model, "dtype": job.dtype, "rows": job.num_rows}
    comparisons = against("stepping", ENVIRONMENT, [ENGINE], labels, outcome)
    return rows_of("stepping", entries, labels, outcome), comparisons


def context_contest(job: Job, shape: Shape, model: str, repeats: int) -> Found:
    """The engine with short and with long rows; nothing where the model reads less than that."""
    if shape.n_positions < max(CONTEXTS):
        return [], []
    job = replace(job, new_tokens=CONTEXT_STEPS)
    names = {context: f"{ENGINE} at context {context}" for context in CONTEXTS}
    entries = [
        Entry(name, partial(ours.EngineAtContext, job, context), "tokens/s", {"context": context})
        for context, name in names.items()
    ]
    outcome = hold(entries, repeats, job.device)
    labels: Labels = {"model": model, "dtype": job.dtype, "rows": job.num_rows}
    short, long = (names[context] for context in CONTEXTS)
    comparisons = against("context", long, [short], labels, outcome)
    return rows_of("context", entries, labels, outcome), comparisons
