"""Results of a benchmark with chosen rates and spreads."""

MACHINE = {"cpu": "A", "cores": 2, "threads": 2, "gpu": None}


def make_row(what="environment", rate=100.0, spread=0.02, **changes):
    timing = {"median": 10 / rate, "iqr": spread * 10 / rate}
    return {"what": what, "n": 8, "dtype": "float32", "tokens_per_s": rate, **timing, **changes}


def make_result(*rows, machine=MACHINE, **changes):
    document = {"subject": "throughput", "model": "embedded", "prompt": 32, "new": 64}
    return {**document, "rows": list(rows), "machine": machine, **changes}
