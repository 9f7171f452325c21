import pytest
import torch

from tests.model.engines import float_dtypes
from tests.model.kernels.triton_kernels import TORCH, TRITON, draw_there

pytestmark = pytest.mark.gpu

ROWS, WIDTH = 4, 48


@float_dtypes
@pytest.mark.parametrize("vocab_size", [20, 700, 3_000])
@pytest.mark.parametrize("is_last_required", [False, True])
def test_the_most_likely_tokens_are_pytorchs(dtype, vocab_size, is_last_required):
    hidden = draw_there(ROWS, WIDTH)
    embeddings, center = draw_there(vocab_size, WIDTH, dtype=dtype, seed=1), None
    if dtype == torch.bfloat16:
        center = embeddings.float().mean(0)
    weights = embeddings if center is None else (embeddings.float() - center).to(dtype)
    logits = hidden.to(dtype) @ weights.T
    padded = torch.full((ROWS, vocab_size + 24), 99.0, dtype=dtype, device=hidden.device)
    padded[:, :vocab_size] = logits  # as the output layer pads its weights
    rest = (hidden, embeddings, center, 16, vocab_size - 1 if is_last_required else 0)
    found = TRITON.top_k(padded[:, :vocab_size], *rest)
    # Where rounded logits tie for the last place, the choice is free: compare the certain ones.
    expected = TORCH.top_k(logits, *rest)
    least = logits.float().topk(16).values[:, -1:]
    certain = logits.float().gather(1, expected.candidates) > least
    assert torch.equal(found.candidates[certain], expected.candidates[certain])
    torch.testing.assert_close(
        found.logprobs[certain], expected.logprobs[certain], rtol=0, atol=2e-5
    )
    torch.testing.assert_close(found.log_z, expected.log_z, rtol=0, atol=2e-5)
    assert (found.candidates == rest[-1]).any(1).all()


def test_ties_are_ordered_by_id_within_and_between_blocks():
    logits = torch.zeros(1, 3_000, device=draw_there(1).device)
    logits[0, [2_999, 1_024, 1_023, 5]] = 1.0
    logits[0, 7] = -0.0
    hidden, embeddings = draw_there(1, WIDTH), draw_there(3_000, WIDTH, seed=1)
    found = TRITON.top_k(logits, hidden, embeddings, None, 8, 5)
    assert found.candidates.tolist() == [[5, 1_023, 1_024, 2_999, 0, 1, 2, 3]]


def test_logits_that_are_not_numbers_choose_tokens_of_the_vocabulary():
    logits = torch.full((2, 700), torch.nan, device=draw_there(1).device)
    hidden, embeddings = draw_there(2, WIDTH), draw_there(700, WIDTH, seed=1)
    found = TRITON.top_k(logits, hidden, embeddings, embeddings.mean(0), 16, 0)
    assert ((found.candidates >= 0) & (found.candidates < 700)).all()


def test_blocks_of_tokens_that_are_never_written_count_nothing():
    logits, hidden = draw_there(2, 3_000), draw_there(2, WIDTH)
    logits[:, :1_024] = -torch.inf
    found = TRITON.top_k(logits, hidden, draw_there(3_000, WIDTH, seed=1), None, 16, 2_000)
    torch.testing.assert_close(found.log_z, logits.logsumexp(-1), rtol=0, atol=2e-5)
