import pytest

from benchmarks.report.compare import compare, missing
from tests.benchmarks.results import MACHINE, make_result, make_row


def verdict(old, new, threshold=0.1):
    (change,) = compare([make_result(old)], [make_result(new)], threshold)
    return change.verdict


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(100, "same"), (92, "same"), (90, "slower"), (50, "slower"), (109, "same"), (112, "faster")],
)
def test_rates_are_compared_by_their_time(rate, expected):
    assert verdict(make_row(), make_row(rate=rate)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1.05, "same"), (1.2, "slower"), (0.8, "faster")]
)
def test_lower_cost_is_faster(seconds, expected):
    def row(value):
        return {"what": "make", "seconds": value, "median": value, "iqr": 0.0}

    assert verdict(row(1.0), row(seconds)) == expected


def test_change_below_the_threshold_is_the_same():
    assert verdict(make_row(), make_row(rate=80), threshold=0.5) == "same"


@pytest.mark.parametrize("sides", [(0.3, 0.02), (0.02, 0.3)])
def test_spread_above_the_bound_on_either_side_is_too_noisy(sides):
    old, new = sides
    assert verdict(make_row(spread=old), make_row(rate=10, spread=new)) == "too noisy"


def test_change_within_the_spread_is_the_same():
    assert verdict(make_row(spread=0.2), make_row(rate=85, spread=0.2)) == "same"
    assert verdict(make_row(spread=0.2), make_row(rate=80, spread=0.2)) == "slower"


def test_change_has_metric_values_slowdown_and_settings():
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


def test_setting_of_a_row_matches_setting_of_a_document():
    old, new = make_result(make_row()), make_result(make_row(prompt=32), make_row(prompt=64))
    del new["prompt"]
    assert len(compare([old], [new], 0.1)) == 1


def test_rows_without_timing_are_ignored():
    rows = make_row(), {"what": "CTranslate2", "n": 8, "note": "not installed"}
    assert len(compare([make_result(*rows)], [make_result(*rows)], 0.1)) == 1


def test_results_without_common_rows_are_refused():
    with pytest.raises(ValueError, match="Got no row of the baseline in the results"):
        compare([make_result(make_row(), new=32)], [make_result(make_row())], 0.1)


def test_results_of_another_machine_are_refused():
    other = make_result(make_row(), machine={**MACHINE, "threads": 8})
    with pytest.raises(ValueError, match=r"'threads': 8.*; allowed: the same machine"):
        compare([other], [make_result(make_row())], 0.1)
