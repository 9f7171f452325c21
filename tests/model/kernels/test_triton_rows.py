import pytest
import torch

from lm_envs.model.kernels.base import LayerNorm
from tests.model.engines import float_dtypes
from tests.model.kernels.triton_kernels import TORCH, TRITON, agree, draw_there, put

pytestmark = pytest.mark.gpu

ROWS, WIDTH = 7, 48


@float_dtypes
def test_embed_adds_both_embeddings(dtype):
    tables = draw_there(50, WIDTH, dtype=dtype), draw_there(20, WIDTH, seed=1)
    tokens, positions = put(0, 49, 3, 3, 7, 1, 2), put(0, 19, 3, 4, 5, 6, 0)
    found = TRITON.embed(tokens, positions, *tables)
    assert torch.equal(found, TORCH.embed(tokens, positions, *tables))


@float_dtypes
@pytest.mark.parametrize("has_update", [True, False])
def test_add_norm_adds_in_place_and_norms_the_sum(dtype, has_update):
    x, gain, bias = draw_there(ROWS, WIDTH), *draw_there(2, WIDTH, seed=1)
    update = draw_there(ROWS, WIDTH, dtype=dtype, seed=2) if has_update else None
    norm, ours, theirs = LayerNorm(gain, bias, 1e-5), x.clone(), x.clone()
    agree(
        TRITON.add_norm(ours, update, norm, dtype),
        TORCH.add_norm(theirs, update, norm, dtype),
        dtype,
    )
    assert torch.equal(ours, theirs)
    assert torch.equal(ours, x) != has_update


@float_dtypes
@pytest.mark.parametrize("has_center", [True, False])
def test_token_logits_are_those_of_the_given_tokens(dtype, has_center):
    hidden, embeddings = draw_there(ROWS, WIDTH), draw_there(50, WIDTH, dtype=dtype, seed=1)
    center = embeddings.float().mean(0) if has_center else None
    tokens = put(*range(ROWS))[:, None] * put(1, 7)
    found = TRITON.token_logits(hidden, embeddings, center, tokens)
    expected = TORCH.token_logits(hidden, embeddings, center, tokens)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
