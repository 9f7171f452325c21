import pytest
import torch

from lm_envs.model.cuda_graph import CapturedSteps
from tests.model.engines import needs_cuda


@pytest.mark.gpu
@needs_cuda
def test_a_captured_step_replays_new_values_and_updates_state_once_a_call():
    state = torch.zeros(3, device="cuda")

    def add(value, factor):
        state.add_(value * factor)
        return state * 2

    step = CapturedSteps(add, [state])
    for value, factor, total in ((1.0, 2, 2.0), (2.0, 2, 6.0), (1.0, 3, 9.0)):
        found = step(torch.full((3,), value, device="cuda"), factor)
        assert found.tolist() == [2 * total] * 3
        assert state.tolist() == [total] * 3
