import gc
import weakref

import numpy as np
import pytest
import torch

import lm_envs.model.architectures.gpt2 as architecture
from lm_envs.model import loading
from lm_envs.model.architectures import network
from lm_envs.model.batching import flat_positions
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.lm_head import LMHead
from lm_envs.model.state.row_state import RowState
from lm_envs.model.state.row_tensors import RowTensors
from tests.model.engines import float_dtypes
from tests.model.state.replay import EmulatedFunction, EmulatedRecording


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
        tensors = RowTensors(model, LMHead(model, 4, 0), 2, 20, None)
        state, found = RowState(tensors), weakref.ref(tensors)
        del state, tensors
        assert found() is None
    finally:
        gc.enable()


class Unlimited(TorchKernels):
    """PyTorch's operations for one recording of all lengths, as Triton's kernels allow it."""

    any_length = True


def random_call(rng, lengths):
    """A decoding step or an extension of some rows, and the lengths after it."""
    if rng.random() < 0.7 and (lengths < 40).all():
        active = rng.random(4) < 0.8
        inputs = np.stack([rng.integers(1, 690, 4), lengths, active])
        return "decode", inputs, 48, lengths + active
    rows = np.flatnonzero(rng.random(4) < 0.5)
    rows = rows if len(rows) else np.array([3])
    starts = np.where(lengths[rows] < 30, lengths[rows], 0)
    sizes = rng.integers(1, 8, len(rows))
    ends, total = sizes.cumsum(), int(sizes.sum())
    positions = flat_positions(starts, sizes)
    parts = (rng.integers(1, 690, total), positions, rows, starts, sizes, ends - 1)
    after = lengths.copy()
    after[rows] = starts + sizes
    return "extend", np.concatenate(parts), (total, len(rows)), after


@float_dtypes
@pytest.mark.parametrize("cache_dtype", [None, torch.int8])
def test_replayed_operations_equal_new_ones_bit_for_bit(
    checkpoint, monkeypatch, dtype, cache_dtype
):
    monkeypatch.setattr(network, "kernels_for", lambda *arguments: Unlimited())
    _, config, weights = loading.read_checkpoint(checkpoint, "cpu")
    model = architecture.GPT2(config, weights, dtype)
    replayed, plain = (RowTensors(model, LMHead(model, 8, 0), 4, 48, cache_dtype) for _ in range(2))
    functions = {
        name: EmulatedFunction(getattr(replayed, name), replayed.padded)
        for name in ("decode", "extend")
    }
    rng, lengths = np.random.default_rng(0), np.zeros(4, np.int64)
    with torch.inference_mode():
        for _ in range(120):
            name, inputs, constant, lengths = random_call(rng, lengths)
            found = functions[name].run(inputs, constant)
            expected = getattr(plain, name)(torch.as_tensor(inputs), constant)
            assert torch.equal(found, expected)
            assert torch.equal(replayed.hidden, plain.hidden)
            assert torch.equal(replayed.log_z, plain.log_z)
    assert len(functions["decode"].recordings) == 1


def test_an_emulated_recording_repeats_operations_and_not_python():
    recording = EmulatedRecording(lambda part: part * int(part.sum()), torch.tensor([2.0, 1.0]))
    assert recording(torch.tensor([5.0, 5.0])).tolist() == [15.0, 15.0]  # 3 is a recorded constant
