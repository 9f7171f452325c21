from benchmarks.harness.timing import Timing, ratio, summarize, take_turns


def test_rivals_take_turns_after_one_unmeasured_run():
    calls = []
    take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2)
    assert calls == ["a", "b", "a", "b", "a", "b"]


def test_median_and_interquartile_range():
    assert summarize([4.0, 1.0, 3.0, 2.0, 5.0]) == Timing(3.0, 2.0, 5)


def test_a_noisy_comparison_is_refused():
    steady, noisy = Timing(2.0, 0.1, 5), Timing(4.0, 2.0, 5)
    assert ratio(steady, Timing(6.0, 0.1, 5)) == 3.0
    assert ratio(steady, noisy) is None
    assert ratio(noisy, steady) is None
