import numpy as np
import pytest
import torch

from lm_envs.model.lm_head import LMHead
from lm_envs.model.prompt_cache import PromptCache
from lm_envs.model.scoring import Scorer
from tests.model.engines import (
    both_cache_dtypes,
    count_tokens,
    make_engine,
    random_tokens,
    reference_logprobs,
)

ONE_STEP = 1e-3
"""What changes at most where a number between two int8 values is rounded to either."""


def make_scorer(model, prompts=None):
    return Scorer(model, LMHead(model, 1, required=0), prompts)


def test_score_equals_transformers(reference_model, model):
    rng = np.random.default_rng(0)
    sequences = [random_tokens(rng, int(n)) for n in (1, 2, 17, 64, 130)]
    scores = make_scorer(model).score(sequences)
    for tokens, logprobs in zip(sequences, scores, strict=True):
        expected = reference_logprobs(reference_model, tokens)
        expected = expected[np.arange(len(tokens) - 1), tokens[1:]]
        assert logprobs[0] == 0.0
        np.testing.assert_allclose(logprobs[1:], expected, rtol=0, atol=2e-5)


def test_next_token_logprobs_equal_transformers(reference_model, model):
    rng = np.random.default_rng(0)
    sequences = [random_tokens(rng, size) for size in (1, 33, 12)]
    tokens = [random_tokens(rng, len(sequence)) for sequence in sequences]
    found = make_scorer(model).next_token_logprobs(sequences, tokens)
    for sequence, own, logprobs in zip(sequences, tokens, found, strict=True):
        expected = reference_logprobs(reference_model, sequence)[np.arange(len(own)), own]
        assert logprobs.dtype == np.float64
        np.testing.assert_allclose(logprobs, expected, rtol=0, atol=2e-5)


def test_next_token_logprobs_leave_the_rows_of_an_engine_unchanged(model):
    rng = np.random.default_rng(0)
    engine, untouched = make_engine(model, 2), make_engine(model, 2)
    prompts = [random_tokens(rng, size) for size in (5, 9)]
    for each in (engine, untouched):
        each.prefill(np.arange(2), prompts)
    engine.next_token_logprobs(prompts, prompts)
    tokens = random_tokens(rng, 2)
    expected = untouched.decode(tokens)
    np.testing.assert_array_equal(engine.decode(tokens).hidden, expected.hidden)
    assert engine.lengths.tolist() == [6, 10]


@pytest.mark.parametrize("method", ["score", "next_token_logprobs"])
def test_a_sequence_longer_than_the_model_reads_is_refused(model, method):
    """Regression: positions past the last were read as the last."""
    sequences = [np.ones(161, np.int64)]
    arguments = (sequences,) if method == "score" else (sequences, sequences)
    with pytest.raises(ValueError, match="161 tokens to score; allowed: 160"):
        getattr(make_scorer(model), method)(*arguments)


@torch.no_grad()
def test_hidden_states_equal_transformers(reference_model, model):
    texts = [random_tokens(np.random.default_rng(0), size) for size in (1, 40, 17)]
    for text, states in zip(texts, make_scorer(model).hidden_states(texts), strict=True):
        expected = reference_model(torch.tensor(text)[None], output_hidden_states=True)
        np.testing.assert_allclose(states, expected.hidden_states[-1][0], atol=1e-3)


def test_mean_hidden_states_are_means_of_the_hidden_states(model):
    rng = np.random.default_rng(0)
    sequences = [random_tokens(rng, size) for size in (1, 33, 12)]
    scorer, starts = make_scorer(model), [0, 30, 5]
    means = scorer.mean_hidden_states(sequences, starts)
    hidden = scorer.hidden_states(sequences)
    expected = [states[start:].mean(0) for states, start in zip(hidden, starts, strict=True)]
    np.testing.assert_allclose(means, expected, rtol=0, atol=1e-5)


def test_hidden_states_of_equal_or_cached_sequences_are_computed_once(model):
    text, other = np.arange(1, 6), np.arange(1, 4)
    scorer = make_scorer(model, PromptCache(2**20))
    assert count_tokens(scorer, scorer.hidden_states, [text, other, text]) == 5 + 3
    assert count_tokens(scorer, scorer.hidden_states, [other, text]) == 0
    plain = make_scorer(model)
    for _ in range(2):
        assert count_tokens(plain, plain.hidden_states, [text, text]) == 5


def test_scored_tokens_are_counted(model):
    scorer, sequences = make_scorer(model), [np.arange(1, 6), np.arange(1, 4)]
    assert count_tokens(scorer, scorer.score, sequences) == 5 + 3


def test_options_score_as_whole_sequences_do(model):
    rng = np.random.default_rng(0)
    prompts = [random_tokens(rng, size) for size in (5, 17, 9)]
    engine, fresh = make_engine(model, 3), make_engine(model, 3)
    for each in (engine, fresh):
        each.prefill(np.arange(3), prompts)
    options = [[random_tokens(rng, rng.integers(1, 7)) for _ in range(5)] for _ in range(3)]
    scores = engine.score_options(np.arange(3), options)
    for row, prompt in enumerate(prompts):
        for option, logprobs in zip(options[row], scores[row], strict=True):
            expected = engine.score([np.concatenate([prompt, option])])[0][len(prompt) :]
            np.testing.assert_allclose(logprobs, expected, atol=2e-5)
    tokens = random_tokens(rng, 3)
    np.testing.assert_array_equal(engine.decode(tokens).hidden, fresh.decode(tokens).hidden)


@both_cache_dtypes
def test_scores_of_options_depend_on_their_own_row_only(model, cache_dtype):
    """Regression: the last bits depended on the longest option of all rows."""
    rng = np.random.default_rng(0)
    texts = [random_tokens(rng, size) for size in (19, 56, 9)]
    options = [[random_tokens(rng, size) for size in sizes] for sizes in ((3, 4), (11, 2), (1, 8))]
    together = make_engine(model, 3, cache_dtype=cache_dtype)
    together.extend(np.arange(3), np.zeros(3, int), texts)
    scores = together.score_options(np.arange(3), options)
    for row, text in enumerate(texts):
        alone = make_engine(model, 1, cache_dtype=cache_dtype)
        alone.extend(np.arange(1), np.zeros(1, int), [text])
        (expected,) = alone.score_options(np.arange(1), [options[row]])
        for own, found in zip(expected, scores[row], strict=True):
            np.testing.assert_array_equal(found, own)


def test_options_score_with_an_int8_cache_as_they_do_when_appended(model):
    rng, rows = np.random.default_rng(0), np.arange(3)
    texts = [random_tokens(rng, size) for size in (30, 9, 64)]
    options = [random_tokens(rng, size) for size in (8, 11, 5)]
    engine = make_engine(model, 3, cache_dtype="int8")
    engine.extend(rows, np.zeros(3, int), texts)
    scores = engine.score_options(rows, [[option] for option in options])
    scored = np.concatenate([only for (only,) in scores])
    appended = np.concatenate(engine.extend_scored(rows, options))
    assert np.median(np.abs(scored - appended)) < 1e-5
    np.testing.assert_allclose(scored, appended, rtol=0, atol=ONE_STEP)
