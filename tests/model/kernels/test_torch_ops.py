import pytest
import torch

from lm_envs.model.kernels.base import LayerNorm
from lm_envs.model.kernels.torch_ops import TorchKernels, log_sum_exp, top_tokens
from tests.model.engines import draw, float_dtypes

KERNELS = TorchKernels()


def test_log_sum_exp_equals_logsumexp_for_large_logits():
    logits = 50.0 * draw(4, 300)
    expected = logits.logsumexp(-1)
    torch.testing.assert_close(log_sum_exp(logits, torch.full((4,), 7)), expected)
    logits[:2, 0] = -torch.inf
    expected = logits.logsumexp(-1)
    torch.testing.assert_close(log_sum_exp(logits, torch.full((4,), 7)), expected)


@pytest.mark.parametrize("size", [100, 700])
def test_top_k_has_log_probabilities_where_the_first_token_is_never_written(size):
    logits = draw(4, size)
    logits[:, :3] = -torch.inf
    top = KERNELS.top_k(logits, draw(4, 8), draw(size, 8), None, 5, 9)
    torch.testing.assert_close(top.log_z, logits.logsumexp(-1))
    assert torch.isfinite(top.logprobs).all()


@pytest.mark.parametrize("vocab_size", [40, 700, 5_000])
def test_top_tokens_are_the_largest_entries(vocab_size):
    logits = draw(4, vocab_size)
    found, expected = top_tokens(logits, 16), logits.topk(16).indices
    assert found.sort(-1).values.tolist() == expected.sort(-1).values.tolist()


def test_the_required_token_takes_the_last_place_only_where_it_is_missing():
    logits = torch.tensor([[0.0, 3.0, 2.0, 1.0], [9.0, 3.0, 2.0, 1.0]])
    embeddings = torch.eye(4)  # so that a hidden state is its own logits
    top = KERNELS.top_k(logits, logits, embeddings, None, 2, 0)
    assert top.candidates.tolist() == [[1, 0], [0, 1]]
    torch.testing.assert_close(top.logprobs, logits.log_softmax(-1).gather(1, top.candidates))


@float_dtypes
def test_add_norm_adds_in_place_and_norms_the_sum(dtype):
    x, update = draw(5, 32), draw(5, 32, dtype=dtype, seed=1)
    total = x + update
    norm = LayerNorm(torch.ones(32), torch.zeros(32), 1e-5)
    normed = KERNELS.add_norm(x, update, norm, dtype)
    assert torch.equal(x, total)
    assert normed.dtype == dtype
    torch.testing.assert_close(normed.float().mean(-1), torch.zeros(5), rtol=0, atol=1e-2)
    torch.testing.assert_close(
        normed.float().std(-1, correction=0), torch.ones(5), rtol=1e-2, atol=0
    )


def test_dequantized_sums_of_quantized_rows_are_near_the_exact_product():
    x, weight, bias = draw(6, 64), draw(8, 64, seed=1), draw(8, seed=2)
    values, scales = KERNELS.quantize(x)
    sums = (values.float() - 128.0) @ weight.T
    found = KERNELS.dequantize(sums, scales, bias, gelu=False, dtype=torch.float32)
    torch.testing.assert_close(found, x @ weight.T + bias, rtol=0, atol=0.3)
    activated = KERNELS.dequantize(sums, scales, bias, gelu=True, dtype=torch.float32)
    torch.testing.assert_close(
        activated, torch.nn.functional.gelu(found, approximate="tanh"), rtol=0, atol=1e-6
    )
