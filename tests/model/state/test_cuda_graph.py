import numpy as np
import pytest
import torch

from lm_envs.model.state.cuda_graph import CapturedFunction, LaunchedFunction
from lm_envs.model.state.host_arrays import HostArrays
from tests.model.engines import CPU, needs_cuda


def make_sum(state):
    """A function that adds values times a factor to the state and returns the doubled state."""

    def add(values, factor):
        state.add_(values * factor)
        return state * 2

    return add


def test_a_launched_function_passes_arrays_and_the_constant():
    state = torch.zeros(3)
    found = LaunchedFunction(make_sum(state), CPU)(np.arange(3), 2)
    assert found.tolist() == [0.0, 4.0, 8.0]
    assert state.tolist() == [0.0, 2.0, 4.0]


@pytest.mark.gpu
@needs_cuda
def test_a_recording_replays_new_values_and_updates_state_once_a_call():
    state = torch.zeros(3, device="cuda")
    arrays = HostArrays(pinned=True)
    function = CapturedFunction(make_sum(state), torch.device("cuda", 0), [state], arrays)
    results = []
    for value, factor, total in ((1, 2, 2.0), (2, 2, 6.0), (1, 3, 9.0)):
        results.append(function(np.full(3, value), factor))
        assert state.tolist() == [total] * 3
    assert [result.tolist() for result in results] == [[2 * t] * 3 for t in (2.0, 6.0, 9.0)]
    assert function.num_recordings == 2


@pytest.mark.gpu
@needs_cuda
def test_recording_ahead_changes_no_state_and_is_what_a_call_replays():
    state = torch.full((3,), 5.0, device="cuda")
    arrays = HostArrays(pinned=True)
    function = CapturedFunction(make_sum(state), torch.device("cuda", 0), [state], arrays)
    function.record(np.ones(3, np.int64), 2)
    assert state.tolist() == [5.0] * 3
    assert function(np.full(3, 4), 2).tolist() == [26.0] * 3
    assert function.num_recordings == 1
