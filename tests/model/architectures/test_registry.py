"""Every architecture against transformers, by tiny checkpoints with random weights."""

import pytest

from lm_envs.model.architectures import network
from lm_envs.model.kernels.torch_ops import TorchKernels
from tests.model.architectures.checkpoints import (
    VARIANTS,
    compare_logits,
    load_reference,
    make_reference,
)
from tests.model.engines import needs_compiler

MOST_DIFFERENCE = 2e-5
"""Of float32 logits, as a share of the largest logit."""

both_kernels = pytest.mark.parametrize(
    "kernels", [pytest.param("native", marks=needs_compiler), "torch"]
)


def use_kernels(monkeypatch, kernels):
    if kernels == "torch":
        monkeypatch.setattr(network, "kernels_for", lambda *_: TorchKernels())


@both_kernels
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_equal_transformers(variant, kernels, monkeypatch, tmp_path):
    use_kernels(monkeypatch, kernels)
    reference = make_reference(variant)
    model = load_reference(reference, tmp_path)
    difference, largest, _ = compare_logits(model, reference, 8, 60)
    assert difference <= MOST_DIFFERENCE * largest
