import pytest
import torch

from lm_envs.model import loading
from lm_envs.model.lm_head import LMHead, top_k_top_p_mask
from tests.model.engines import VOCABULARY, draw

LOGITS = torch.tensor([[0.0, 3.0, 1.0, 3.0, 2.0]])


@pytest.fixture
def hidden():
    return draw(6, 96)


def test_top_k_are_the_largest_log_probabilities_with_the_required_token_last(model, hidden):
    head = LMHead(model, 8, required=5)
    top, logprobs = head.top_k(hidden), head.logits(hidden).log_softmax(-1)
    for row in range(6):
        expected = logprobs[row].topk(8).indices.tolist()
        if 5 not in expected:
            expected[-1] = 5
        assert top.candidates[row].tolist() == expected
        torch.testing.assert_close(top.logprobs[row], logprobs[row, expected])


def test_bfloat16_logits_are_ordered_by_exact_ones(checkpoint, hidden):
    head = LMHead(loading.load(checkpoint, "cpu", "bfloat16"), 8, required=5)
    top = head.top_k(hidden)
    exact = head.token_logits(hidden, top.candidates)
    assert (exact[:, :-1].diff(dim=1) <= 0).all()
    torch.testing.assert_close(top.logprobs, exact - top.log_z[:, None])


def test_token_logprobs_are_those_of_all_logits(model, hidden):
    head, tokens = LMHead(model, 1, required=0), torch.arange(6) * 100
    expected = head.logits(hidden).log_softmax(-1)[torch.arange(6), tokens]
    torch.testing.assert_close(head.token_logprobs(hidden, tokens), expected)
    divisors = torch.linspace(0.5, 2.0, 6)
    expected = (head.logits(hidden) / divisors[:, None]).log_softmax(-1)
    found = head.token_logprobs(hidden, tokens, divisors)
    torch.testing.assert_close(found, expected[torch.arange(6), tokens])


def test_token_logprobs_do_not_depend_on_the_size_of_a_pass(model, monkeypatch):
    head, hidden = LMHead(model, 1, required=0), draw(300, 96)
    tokens = torch.arange(300) % VOCABULARY
    expected = head.token_logprobs(hidden, tokens)
    monkeypatch.setattr("lm_envs.model.lm_head.LOGITS_PER_PASS", 1)
    assert torch.equal(head.token_logprobs(hidden, tokens), expected)
    assert head.token_logprobs(hidden[:0], tokens[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [
        (None, None, [0, 1, 2, 3, 4]),
        (1, None, [1, 3]),  # equally likely
        (3, None, [1, 3, 4]),
        (None, 0.5, [1, 3]),
        (2, 0.1, [1]),
    ],
)
def test_a_mask_keeps_the_tokens_that_both_limits_keep(top_k, top_p, kept):
    mask = top_k_top_p_mask(LOGITS, top_k, top_p)
    assert mask[0].nonzero()[:, 0].tolist() == kept
