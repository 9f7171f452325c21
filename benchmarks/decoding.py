"""Words per second: our environment and engine beside every other way to write the same words.

Owns who takes part at which batch size, and how far each is from what the machine allows.
"""

from functools import partial

from benchmarks import ours, rivals
from benchmarks.contest import Entry, Outcome, against, hold, rows_of
from benchmarks.job import Job
from benchmarks.results import Comparison, Labels, Row
from benchmarks.roofline import Multiply, ReadMemory
from benchmarks.work import Roofline, Shape, Work, episode_parts

SECTION = "decoding"
ENVIRONMENT, ENGINE = "lm_envs environment", "lm_envs engine"
MEMORY, GEMM = "memory reads", "matrix products"
RE_ENCODE_ROWS = 8
"""Re-encoding the text at every step is only timed up to this batch; it takes minutes above."""

TOKENS_PER_S = "tokens/s"


def contest(
    job: Job, shape: Shape, model: str, repeats: int
) -> tuple[list[Row], list[Comparison]]:
    """All contestants on one job, with the roofline measured between them."""
    entries = contestants(job)
    weight_bytes = int(episode_parts(shape, 0, 1, 1, job.dtype)[1].num_bytes)
    limits = [
        Entry(MEMORY, partial(ReadMemory, weight_bytes, job.device, job.threads), "bytes/s"),
        Entry(GEMM, partial(Multiply, job.dtype, job.device, job.threads), "FLOP/s"),
    ]
    outcome = hold([*entries, *limits], repeats, job.device)
    labels: Labels = {"model": model, "dtype": job.dtype, "rows": job.num_rows}
    rows = rows_of(SECTION, entries, labels, outcome)
    rows = [_with_work(row, job, shape, outcome) for row in rows]
    rows += rows_of("roofline", limits, labels, outcome)
    names = [entry.name for entry in entries if entry.name != ENVIRONMENT]
    return rows, against(SECTION, ENVIRONMENT, names, labels, outcome)


def contestants(job: Job) -> list[Entry]:
    """Who takes part in a job."""
    entries = [
        Entry(ENVIRONMENT, partial(ours.Environment, job), TOKENS_PER_S),
        Entry(ENGINE, partial(ours.BareEngine, job), TOKENS_PER_S),
        Entry("transformers generate", partial(rivals.Generate, job), TOKENS_PER_S),
        _ctranslate2(job, job.dtype),
        _ctranslate2(job, "int8"),
        Entry(
            "transformers continuous batching", partial(rivals.ContinuousBatching, job), "tokens/s"
        ),
    ]
    if job.num_rows <= RE_ENCODE_ROWS:
        entries.append(Entry("re-encoding environment", partial(rivals.ReEncode, job), "tokens/s"))
    return entries


def _ctranslate2(job: Job, precision: str) -> Entry:
    name = f"CTranslate2 {precision}"
    return Entry(
        name, partial(rivals.CTranslate2, job, precision), TOKENS_PER_S, {"precision": precision}
    )


def _with_work(row: Row, job: Job, shape: Shape, outcome: Outcome) -> Row:
    """The row with time per step, achieved bytes and operations, and its share of the roofline.

    The share is left out for int8, whose rate of operations is not measured, and for the
    re-encoding environment, whose work is another.
    """
    if row.median is None:
        return row
    seconds = job.num_tokens / row.median
    details: dict[str, float | str] = {**row.details, "step ms": 1e3 * seconds / job.new_tokens}
    precision = str(row.labels.get("precision", job.dtype))
    if not row.name.startswith("re-encoding"):
        parts = episode_parts(shape, job.num_rows, job.prompt_tokens, job.new_tokens, precision)
        total = sum(parts, Work(0.0, 0.0))
        details["GB/s"] = total.num_bytes / seconds / 1e9
        details["GFLOP/s"] = total.flop / seconds / 1e9
        if precision == job.dtype and {MEMORY, GEMM} <= outcome.rates.keys():
            roofline = Roofline(outcome.spread(MEMORY).median, outcome.spread(GEMM).median)
            least = sum(roofline.seconds(part) for part in parts)
            details["% of roofline"] = 100.0 * least / seconds
            details["bound"] = roofline.bound(parts[-1])
    return row.model_copy(update={"details": details})
