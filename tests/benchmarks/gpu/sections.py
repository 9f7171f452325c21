"""A section of a rehearsal that collects its rows."""

import time

from benchmarks.gpu.section import Section


def make_section(seconds=60.0, **changes):
    """A section and the list that receives its rows."""
    rows = []
    options = {"device": "cpu", "is_small": True, "deadline": time.monotonic() + seconds}
    return Section(**{**options, **changes}, send=rows.append), rows
