"""Long play keeps its memory; the hour itself is `python -m tests.proofs.soak`."""

import pytest

from tests.proofs import soak


def test_a_short_play_counts_its_steps_resets_and_cycles():
    *_, figures = soak.measure(seconds=0.2, cycles=1, rows=2)
    assert figures["cycles"] == 1
    assert figures["resets"] >= 2
    assert figures["MiB"] > 50


def test_growth_after_the_warm_up_is_found():
    """The control: memory that grows by a tenth, and memory that grows in the warm-up only."""
    warm = [(float(second), 100 + 10 * (second > 5)) for second in range(60)]
    assert soak.summarize(warm, 60)["growth"] == 0.0
    growing = [(float(second), 1000 + 2 * second) for second in range(60)]
    assert soak.summarize(growing, 60)["growth"] > soak.LIMIT


def test_resident_memory_follows_what_is_allocated():
    before = soak.resident()
    kept = bytearray(64 * 2**20)
    assert soak.resident() - before == pytest.approx(len(kept), rel=0.1)
