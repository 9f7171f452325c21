from benchmarks.harness.timing import Timing, machine, speedup, summarize, time_in_turns


def test_runs_take_turns_after_one_untimed_call():
    calls = []
    time_in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2)
    assert calls == ["a", "b", "a", "b", "a", "b"]


def test_median_and_interquartile_range():
    assert summarize([4.0, 1.0, 3.0, 2.0, 5.0]) == Timing(3.0, 2.0, 5)


def test_a_noisy_comparison_is_refused():
    steady, noisy = Timing(2.0, 0.1, 5), Timing(4.0, 2.0, 5)
    assert speedup(steady, Timing(6.0, 0.1, 5)) == 3.0
    assert speedup(steady, noisy) is None
    assert speedup(noisy, steady) is None


def test_machine_has_what_a_comparison_requires():
    assert {"cpu", "cores", "threads", "gpu", "date", "versions"} <= set(machine())
