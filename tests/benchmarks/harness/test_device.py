import time

import pytest
import torch

from benchmarks.harness import device

on_cpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")


@on_cpu
def test_repeated_work_is_done_that_often_on_the_cpu():
    x = torch.zeros(3)
    device.repeated(lambda: x.add_(1), 5)()
    assert x.tolist() == [5, 5, 5]


@on_cpu
def test_median_is_that_of_a_call():
    assert 0.02 <= device.median_seconds(lambda: time.sleep(0.02), 3) < 0.2


@on_cpu
def test_peak_memory_grows_with_an_allocation():
    before = device.peak_bytes()
    block = bytearray(2**29)
    assert device.peak_bytes() >= min(before + 2**20, len(block))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_replays_of_a_block_are_recorded():
    x = torch.zeros(3, device="cuda")
    run = device.repeated(lambda: x.add_(1), 5)
    before = x.clone()
    with device.recorded_replays() as graphs:
        run()
    assert len(graphs) in (0, 1)  # a bound `replay` from before the block is not recorded
    assert (x - before).tolist() == [5, 5, 5]
