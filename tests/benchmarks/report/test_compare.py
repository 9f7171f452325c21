import pytest

from benchmarks.report.compare import compare, missing

MACHINE = {"cpu": "A", "cores": 2, "threads": 2, "gpu": None}


def make_row(what="environment", rate=100.0, spread=0.02, **changes):
    timing = {"median": 10 / rate, "iqr": spread * 10 / rate}
    return {"what": what, "n": 8, "dtype": "float32", "tokens_per_s": rate, **timing, **changes}


def make_result(*rows, machine=MACHINE, **changes):
    document = {"subject": "throughput", "model": "embedded", "prompt": 32, "new": 64}
    return {**document, "rows": list(rows), "machine": machine, **changes}


def verdict(old, new, threshold=0.1):
    (change,) = compare([make_result(old)], [make_result(new)], threshold)
    return change.verdict


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(100, "same"), (92, "same"), (90, "slower"), (50, "slower"), (109, "same"), (112, "faster")],
)
def test_a_rate_is_judged_by_the_time_it_takes(rate, expected):
    assert verdict(make_row(), make_row(rate=rate)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1.05, "same"), (1.2, "slower"), (0.8, "faster")]
)
def test_a_cost_is_better_when_it_is_lower(seconds, expected):
    def row(value):
        return {"what": "make", "seconds": value, "median": value, "iqr": 0.0}

    assert verdict(row(1.0), row(seconds)) == expected


def test_the_threshold_is_the_callers():
    assert verdict(make_row(), make_row(rate=80), threshold=0.5) == "same"


@pytest.mark.parametrize("sides", [(0.3, 0.02), (0.02, 0.3)])
def test_a_spread_above_the_bound_on_either_side_refuses_the_comparison(sides):
    old, new = sides
    assert verdict(make_row(spread=old), make_row(rate=10, spread=new)) == "too noisy"


def test_a_difference_within_the_spread_is_none():
    assert verdict(make_row(spread=0.2), make_row(rate=85, spread=0.2)) == "same"
    assert verdict(make_row(spread=0.2), make_row(rate=80, spread=0.2)) == "slower"


def test_the_time_added_is_stated():
    (change,) = compare([make_result(make_row())], [make_result(make_row(rate=80))], 0.1)
    assert change.slowdown == pytest.approx(0.25)
    assert (change.metric, change.old, change.new) == ("tokens_per_s", 100, 80)
    assert change.row == "throughput, embedded, prompt=32, new=64, environment, n=8, float32"


def test_only_rows_with_the_same_settings_are_compared():
    old = make_result(make_row(), make_row(n=64), make_row("engine", context=64))
    new = make_result(make_row(dtype="bfloat16"), make_row(n=64), make_row("engine", context=256))
    (change,) = compare([old], [new], 0.1)
    assert "n=64" in change.row
    assert [name.split(", ")[4:6] for name in missing([old], [new])] == [
        ["environment", "n=8"],
        ["engine", "n=8"],
    ]


def test_what_is_set_for_a_row_is_as_good_as_for_the_document():
    old, new = make_result(make_row()), make_result(make_row(prompt=32), make_row(prompt=64))
    del new["prompt"]
    assert len(compare([old], [new], 0.1)) == 1


def test_a_row_that_was_not_timed_is_passed_over():
    rows = make_row(), {"what": "CTranslate2", "n": 8, "note": "not installed"}
    assert len(compare([make_result(*rows)], [make_result(*rows)], 0.1)) == 1


def test_nothing_in_common_is_refused():
    with pytest.raises(ValueError, match="Got no row of the baseline in the results"):
        compare([make_result(make_row(), new=32)], [make_result(make_row())], 0.1)


def test_another_machine_is_refused():
    other = make_result(make_row(), machine={**MACHINE, "threads": 8})
    with pytest.raises(ValueError, match=r"'threads': 8.*; allowed: the same machine"):
        compare([other], [make_result(make_row())], 0.1)
