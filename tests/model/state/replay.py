"""A CUDA graph on the CPU: records the operations of a call and repeats exactly these.

What a function computes in Python, such as a length that it reads from a tensor, is not repeated,
as on a GPU; memory of the recording holds NaN or zeros until the first replay.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


def tensors(values):
    return [each for each in tree_flatten(values)[0] if isinstance(each, torch.Tensor)]


def storages(values):
    """Addresses; a weight in oneDNN's own layout has none."""
    plain = [each for each in tensors(values) if each.layout is torch.strided]
    return {each.untyped_storage().data_ptr() for each in plain}


class Recorder(TorchDispatchMode):
    """Keeps each operation with its arguments, and its results that have memory of their own."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        results = func(*args, **kwargs)
        known = storages((args, kwargs))
        is_own = [part.untyped_storage().data_ptr() not in known for part in tensors(results)]
        self.operations.append((func, args, kwargs, tensors(results), is_own))
        return results


class EmulatedRecording:
    """Stands for `CUDAGraph`: one call of a function of one tensor.

    Args:
        function: As for `CapturedFunction`, with its constant applied.
        example: An input; it is copied.
    """

    def __init__(self, function, example):
        self._input = example.clone()
        function(self._input)  # warm up
        with Recorder() as recorder:
            self._output = function(self._input)
        self._operations = recorder.operations
        for _, _, _, results, is_own in self._operations:
            for result in (each for each, own in zip(results, is_own, strict=True) if own):
                result.fill_(torch.nan if result.is_floating_point() else 0)

    def __call__(self, values):
        self._input.copy_(values)
        for func, args, kwargs, results, is_own in self._operations:
            if func._schema.is_mutable:
                func(*args, **kwargs)
            elif any(is_own):
                new = tensors(func(*args, **kwargs))
                for old, found, own in zip(results, new, is_own, strict=True):
                    if own:
                        old.copy_(found)
        return self._output


class EmulatedFunction:
    """Calls recordings of a function by constant and shape, as `CapturedFunction` does.

    Args:
        function: Of a tensor and a constant.
        state: Tensors that the function updates in place; recording leaves them unchanged.

    Attributes:
        recordings: By shape of the input and constant.
    """

    def __init__(self, function, state):
        self._function, self._state, self.recordings = function, state, {}

    def run(self, values, constant):
        key, inputs = (values.shape, constant), torch.as_tensor(values)
        if key not in self.recordings:
            before = [tensor.clone() for tensor in self._state]
            function = self._function
            self.recordings[key] = EmulatedRecording(lambda part: function(part, constant), inputs)
            for tensor, saved in zip(self._state, before, strict=True):
                tensor.copy_(saved)
        return self.recordings[key](inputs)
