"""Long play keeps its memory; the hour itself is `python -m tests.proofs.soak`."""

import numpy as np
import pytest

from lm_envs.lru import LRUCache
from tests.envs.helpers import IDS, make
from tests.proofs import soak


def test_a_short_play_counts_its_steps_resets_and_cycles():
    *_, figures = soak.measure(seconds=0.2, cycles=1, rows=2)
    assert figures["cycles"] == 1
    assert figures["steps"] == 16
    assert figures["resets"] >= 2
    assert figures["MiB"] > 50


def slow_if_tuning(env_id):
    return pytest.mark.slow if any(name in env_id for name in soak.TUNING) else ()


@pytest.mark.parametrize("env_id", [pytest.param(name, marks=slow_if_tuning(name)) for name in IDS])
def test_an_environment_that_was_played_and_closed_leaves_no_object(env_id):
    """With the same seed each time no cache gets an entry, so that what is added is never freed.

    Only types of which every cycle adds an object count: Python's own caches grow once in a while.
    """
    number = IDS.index(env_id)
    assert types_that_grow(lambda: soak.cycle(number, 2, np.random.default_rng(0))) == set()


def test_an_object_that_remains_is_counted():
    """The control: an environment that is closed and kept."""
    kept = []

    def make_and_keep():
        kept.append(make(1))
        kept[-1].close()

    grown = types_that_grow(make_and_keep)
    kind = type(kept[0])
    assert f"{kind.__module__}.{kind.__qualname__}" in grown


def types_that_grow(function):
    """Returns the types of which each of three calls of a function, after two others, adds one."""
    for _ in range(2):
        function()
    found = [set() for _ in range(3)]  # before the first count, since sets are counted too
    before = soak.objects()
    for types in found:
        function()
        now = soak.objects()
        types.update(now - before)
        before = now
    return set.intersection(*found)


def test_growth_after_the_warm_up_is_found():
    """The control: memory that grows by a tenth, and memory that grows in the warm-up only."""
    warm = [(float(second), 100 + 10 * (second > 5)) for second in range(60)]
    assert soak.summarize(warm, 60)["growth"] == 0.0
    growing = [(float(second), 1000 + 2 * second) for second in range(60)]
    assert soak.summarize(growing, 60)["growth"] > soak.LIMIT


def test_values_in_a_cache_are_counted_until_they_are_removed():
    before, cache = soak.cached(), LRUCache(10_000, lambda key, value: len(value))
    cache.store("text", bytes(9_000))
    assert soak.cached() - before == 9_000
    del cache
    assert soak.cached() == before


def test_resident_memory_follows_what_is_allocated():
    before = soak.resident()
    kept = bytearray(64 * 2**20)
    assert soak.resident() - before == pytest.approx(len(kept), rel=0.1)
