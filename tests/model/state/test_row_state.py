import numpy as np
import pytest
import torch

pytest.importorskip("triton")

import lm_envs.model.architectures.gpt2 as architecture
from lm_envs.model.architectures import network
from lm_envs.model.base import ModelConfig
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.lm_head import LMHead
from lm_envs.model.state import row_state
from lm_envs.model.state.cuda_graph import LaunchedFunction
from lm_envs.model.state.row_state import RowState
from lm_envs.model.state.row_tensors import RowTensors
from tests.model.engines import draw_weights, make_engine, needs_cuda
from tests.model.kernels.triton_kernels import DEVICE, TRITON

CONFIG = ModelConfig(700, 64, 2, 4, 4, 128, 256, 1e-5)


def make_model(kernels, monkeypatch):
    """A GPT-2 with random weights that computes with the given kernels."""
    monkeypatch.setattr(network, "kernels_for", lambda *arguments: kernels)
    weights = draw_weights(architecture.tensor_shapes(CONFIG), 0.1, DEVICE)
    for name, tensor in weights.items():
        if name.endswith("weight") and ".ln_" in f".{name}":
            tensor.fill_(1.0)
    return architecture.GPT2(CONFIG, weights, torch.float32)


@pytest.mark.parametrize("cache_dtype", ["auto", "int8"])
def test_an_engine_with_triton_equals_one_with_pytorch(monkeypatch, cache_dtype):
    rng = np.random.default_rng(0)
    engines = [
        make_engine(make_model(kernels, monkeypatch), 3, capacity=48, cache_dtype=cache_dtype)
        for kernels in (TRITON, TorchKernels())
    ]

    def draw_tokens(*sizes):
        return [rng.integers(1, 690, size) for size in sizes]

    def agree(call):
        found, expected = map(call, engines)
        if isinstance(found, list):
            for ours, theirs in zip(found, expected, strict=True):
                for a, b in zip(*map(np.atleast_1d, (ours, theirs)), strict=True):
                    np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)
            return
        for name in ("hidden", "chosen", "logprobs"):
            a, b = (getattr(outputs, name) for outputs in (found, expected))
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)

    prompts, tokens, more = draw_tokens(5, 20, 33), draw_tokens(3)[0], draw_tokens(2, 7)
    agree(lambda engine: engine.prefill(np.arange(3), prompts))
    agree(lambda engine: engine.decode(tokens))
    agree(lambda engine: engine.decode(tokens, np.array([True, False, True])))
    agree(lambda engine: engine.extend(np.array([2, 0]), np.array([30, 3]), more))
    agree(lambda engine: engine.extend_scored(np.array([2, 0]), more))
    agree(lambda engine: engine.score(prompts))
    agree(lambda engine: engine.prefill(np.array([2, 1]), prompts[:2]))
    agree(lambda engine: engine.decode(tokens))
    assert engines[0].lengths.tolist() == engines[1].lengths.tolist()


@pytest.mark.parametrize("num_texts", [1, 9])
def test_a_recorded_extension_is_split_where_a_pass_is_full(monkeypatch, num_texts):
    monkeypatch.setattr("lm_envs.model.state.row_state.TOKENS_PER_PASS", 40)
    engine = make_engine(make_model(TorchKernels(), monkeypatch), num_texts, capacity=48)
    state, prompts = engine_state(monkeypatch, num_texts), [np.arange(1, 20)] * num_texts
    starts = np.zeros(num_texts, np.int64)
    packed = state.extend(np.arange(num_texts), starts, prompts)
    expected = engine.prefill(np.arange(num_texts), prompts).hidden
    np.testing.assert_allclose(packed[:, : CONFIG.hidden_size], expected, rtol=0, atol=1e-4)


def engine_state(monkeypatch, num_rows, capacity=48, **options):
    model = make_model(TRITON, monkeypatch)
    return RowState(RowTensors(model, LMHead(model, 16, 0), num_rows, capacity, None), **options)


class RecordedFunction(LaunchedFunction):
    """A launched function that allows only calls of a kind that was recorded, as a GPU would run.

    Recording calls it, and leaves its state unchanged, as `CapturedFunction` does.
    """

    def __init__(self, function, device, *, state, **options):
        super().__init__(function, device)
        self._state, self.kinds = state, []

    def record(self, example, constant):
        before = [tensor.clone() for tensor in self._state]
        super().run(example, constant)
        for tensor, saved in zip(self._state, before, strict=True):
            tensor.copy_(saved)
        self.kinds.append((example.shape, constant))

    def run(self, values, constant):
        assert (values.shape, constant) in self.kinds
        return super().run(values, constant)


def test_every_kind_of_call_is_recorded_at_construction_and_changes_no_number(monkeypatch):
    rng, lengths = np.random.default_rng(0), np.zeros(9, np.int64)
    plain, functions = engine_state(monkeypatch, 9, capacity=10), []

    def make_function(*arguments, **options):
        functions.append(RecordedFunction(*arguments, **options))
        return functions[-1]

    monkeypatch.setattr(row_state, "make_function", make_function)
    recorded = engine_state(monkeypatch, 9, capacity=10)
    decode, extend = ([constant for _, constant in each.kinds] for each in functions)
    assert decode == [10]
    assert extend == [(128, 9), (128, 8), (64, 9), (64, 8)]  # tokens and rows
    for count, size in ((9, 9), (1, 3)):
        rows = rng.permutation(9)[:count]
        prompts = [rng.integers(1, 690, size) for _ in rows]
        arguments = (rows, np.zeros_like(rows), prompts)
        np.testing.assert_array_equal(recorded.extend(*arguments), plain.extend(*arguments))
        lengths[rows] = size
        step = (rng.integers(1, 690, 9), rng.random(9) < 0.8, lengths)
        np.testing.assert_array_equal(recorded.decode(*step), plain.decode(*step))
        lengths += step[1]


@pytest.mark.gpu
@needs_cuda
def test_recorded_functions_equal_launched_ones_bit_for_bit(monkeypatch):
    rng, lengths = np.random.default_rng(0), np.zeros(5, np.int64)
    states = [engine_state(monkeypatch, 5, records=records) for records in (True, False)]
    for _ in range(60):
        rows = np.flatnonzero((rng.random(5) < 0.1) | (lengths >= 47) | (lengths == 0))
        prompts = [rng.integers(1, 690, size) for size in rng.integers(1, 40, len(rows))]
        if len(rows):
            found = [state.extend(rows, np.zeros_like(rows), prompts) for state in states]
            np.testing.assert_array_equal(*found)
            lengths[rows] = [len(prompt) for prompt in prompts]
        tokens, active = rng.integers(1, 690, 5), rng.random(5) < 0.8
        found = [state.decode(tokens, active, lengths) for state in states]
        np.testing.assert_array_equal(*found)
        lengths += active
