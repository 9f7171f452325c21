import sys

from benchmarks.harness.call_count import CallCount, count_calls
from lm_envs.validation import check_choice, check_count


def test_calls_functions_and_files_of_the_library_are_counted():
    def step():
        check_choice("a", 1, [1])
        check_choice("b", 2, [2])
        check_count("c", 3)

    count = count_calls(step)
    assert count.by_function["lm_envs.validation", "check_choice"] == 2
    assert count.by_function["lm_envs.validation", "check_count"] == 1
    assert count.num_files == 1
    assert count.num_calls == sum(count.by_function.values()) >= 3


def test_calls_of_other_packages_are_not_counted():
    count = count_calls(lambda: sorted([2, 1], key=lambda value: -value))
    assert (count.num_calls, count.num_functions, count.num_files) == (0, 0, 0)


def test_modules_are_sorted_by_calls_and_then_by_name():
    count = CallCount({("b", "f"): 1, ("a", "f"): 1, ("c", "f"): 2, ("c", "g"): 3})
    parts = count.by_module()
    assert list(parts) == ["c", "a", "b"]
    assert (parts["c"].num_calls, parts["c"].num_functions, parts["c"].num_files) == (5, 2, 1)


def test_profiler_of_the_caller_is_restored():
    def profiler(frame, event, argument):
        pass

    sys.setprofile(profiler)
    try:
        count_calls(lambda: None)
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
