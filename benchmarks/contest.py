"""One contest: contestants in processes of their own take turns; rows and ratios come out.

Owns the processes' lives and how laps become rows. Knows nothing of what the contestants do.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.results import Comparison, Labels, Row, compared, measured
from benchmarks.timing import Contestant, Spread, Stopped, paired_ratio, spread, take_turns
from benchmarks.workers import Worker


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant by name.

    Attributes:
        name: As it is shown.
        build: Makes it, in its own process; picklable.
        unit: Unit of its rate.
        labels: What differs from the contest's labels, such as another precision.
    """

    name: str
    build: Callable[[], Contestant]
    unit: str
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a contest found.

    Attributes:
        rates: Rate of each lap, by name, for those that finished.
        peaks: Peak memory in bytes, by name.
        stopped: Why each of the others did not finish.
    """

    rates: dict[str, list[float]]
    peaks: dict[str, int]
    stopped: dict[str, str]

    def spread(self, name: str) -> Spread:
        """Median and quartiles of one contestant's rate."""
        return spread(self.rates[name])


def hold(entries: Sequence[Entry], repeats: int, device: str) -> Outcome:
    """Starts every contestant, lets them take turns, and ends them."""
    stopped: dict[str, str] = {}
    workers: dict[str, Worker] = {}
    with ExitStack() as stack:
        for entry in entries:
            try:
                workers[entry.name] = Worker(entry.build, device)
            except Stopped as reason:
                stopped[entry.name] = str(reason)
                continue
            stack.callback(workers[entry.name].close)
        runners = {name: worker.lap for name, worker in workers.items()}
        laps, left = take_turns(runners, repeats)
    rates = {name: [lap.rate for lap in own] for name, own in laps.items()}
    peaks = {name: workers[name].peak_bytes for name in rates}
    return Outcome(rates, peaks, stopped | left)


def rows_of(section: str, entries: Sequence[Entry], labels: Labels, outcome: Outcome) -> list[Row]:
    """One row per entry; a contestant that stopped says why."""
    rows = []
    for entry in entries:
        own = labels | entry.labels
        if entry.name in outcome.stopped:
            note = outcome.stopped[entry.name]
            rows.append(
                Row(section=section, name=entry.name, labels=own, unit=entry.unit, note=note)
            )
            continue
        found = outcome.spread(entry.name)
        details = {"peak MiB": round(outcome.peaks[entry.name] / 2**20)}
        rows.append(measured(section, entry.name, own, entry.unit, found, details=details))
    return rows


def against(
    section: str, ours: str, rivals: Sequence[str], labels: Labels, outcome: Outcome
) -> list[Comparison]:
    """`ours` beside each rival that finished; nothing where `ours` did not."""
    if ours not in outcome.rates:
        return []
    return [
        compared(
            section, ours, rival, labels, paired_ratio(outcome.rates[ours], outcome.rates[rival])
        )
        for rival in rivals
        if rival in outcome.rates
    ]
