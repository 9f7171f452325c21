import multiprocessing
import time

import pytest
import torch

from benchmarks.gpu.worker import work


def messages_of(device, names):
    """All messages of a worker in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    deadline = time.monotonic() + 60
    process = context.Process(target=work, args=(sender, names, device, True, 480.0, deadline))
    process.start()
    sender.close()
    found = []
    while receiver.poll(60):
        try:
            found.append(receiver.recv())
        except EOFError:
            break
    process.join()
    return found


def test_worker_sends_machine_rows_and_ends():
    machine, begin, *rows, end = messages_of("cpu", ["machine"])
    assert (machine[0], begin[:2], end) == (
        "machine",
        ("begin", "machine"),
        ("end", "machine", None),
    )
    assert all(row[:2] == ("row", "machine") for row in rows)
    assert "eager launch" in [row[2]["what"] for row in rows]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_device_that_is_not_there_is_reported_with_the_reason():
    ((kind, reason),) = messages_of("cuda", ["machine"])
    assert kind == "unusable"
    assert reason
