import gc
import weakref

import torch

from lm_envs.model.lm_head import LMHead
from lm_envs.model.state.row_state import RowState
from lm_envs.model.state.row_tensors import RowTensors


def test_hidden_states_and_log_z_are_those_of_the_rows_without_the_padding(model):
    tensors = RowTensors(model, LMHead(model, 4, 0), 3, 20, None)
    tensors.padded[0].fill_(1.0)
    tensors.hidden.zero_()
    tensors.log_z.fill_(2.0)
    assert tensors.padded[0][:, 0].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert tensors.padded[1].tolist() == [2.0, 2.0, 2.0, 0.0]


def test_packed_outputs_end_with_log_z_and_what_was_chosen(model):
    tensors = RowTensors(model, LMHead(model, 4, 0), 2, 20, None)
    packed = tensors.pack(tensors.hidden, torch.tensor([-1.0, -2.0]))
    assert packed.shape == (2, model.config.hidden_size + 4 + 4 + 2)
    assert packed[:, -1].tolist() == [-1.0, -2.0]
    assert tensors.pack(tensors.hidden)[:, -1].tolist() == [0.0, 0.0]


def test_memory_is_freed_without_a_search_for_cycles(model):
    gc.disable()
    try:
        state = RowState(model, LMHead(model, 4, 0), 2, 20, None)
        tensors = weakref.ref(state.tensors)
        del state
        assert tensors() is None
    finally:
        gc.enable()
