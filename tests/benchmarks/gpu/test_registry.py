from pkgutil import resolve_name

import pytest

from benchmarks.gpu.registry import SECTIONS, check_names


def test_every_section_is_a_function():
    assert all(callable(resolve_name(entry.target)) for entry in SECTIONS.values())


def test_sections_run_in_order_of_worth_whatever_the_order_of_names():
    assert check_names(["engine", "machine"]) == ["machine", "engine"]
    assert check_names([]) == list(SECTIONS)


def test_unknown_section_is_refused_with_all_sections():
    with pytest.raises(ValueError, match="Got --only 'foo'; allowed: machine, tests, engine"):
        check_names(["foo"])
