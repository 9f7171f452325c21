import numpy as np
import pytest

from lm_envs.model.embeddings import SPREAD, TextEmbeddings, TokenSpace


@pytest.fixture
def tokens():
    return np.random.default_rng(0).integers(0, 700, (3, 20))


def test_components_have_one_deviation_and_do_not_correlate(model):
    points = TokenSpace(model, 6).points(np.arange(700))
    covariance = np.cov(points * SPREAD, rowvar=False)
    np.testing.assert_allclose(covariance, np.eye(6), atol=1e-2)


def test_the_nearest_token_is_exact_among_all_and_among_allowed_ones(model):
    space, rng = TokenSpace(model, 5), np.random.default_rng(0)
    targets = rng.uniform(-1, 1, (9, 5)).astype(np.float32)
    gaps = ((targets[:, None] - space.points(np.arange(700))) ** 2).sum(-1)
    np.testing.assert_array_equal(space.nearest(targets), gaps.argmin(1))
    allowed = rng.integers(0, 700, (9, 4))
    found = space.nearest(targets, allowed)
    np.testing.assert_allclose(
        gaps[np.arange(9), found], np.take_along_axis(gaps, allowed, 1).min(1), rtol=1e-4
    )


def test_pooled_embeddings_are_the_sum_over_the_root_of_the_length(model, tokens):
    texts, vectors = TextEmbeddings(model), model.token_embeddings.numpy()
    pooled = texts.pooled(tokens, np.array([4, 20, 0]))
    scaled = vectors / vectors.std(0, ddof=1)
    np.testing.assert_allclose(pooled[0], scaled[tokens[0, :4]].sum(0) / 2.0, rtol=1e-4, atol=1e-4)
    assert not pooled[2].any()


def test_last_embeddings_are_padded_with_zeros_before_the_text(model, tokens):
    texts = TextEmbeddings(model)
    last = texts.last(tokens, np.array([2, 20, 5]), 3)
    assert not last[0, 0].any()
    assert (np.abs(last) <= texts.bound).all()
    np.testing.assert_array_equal(last[1], texts.last(tokens[1:2, 17:], np.array([3]), 3)[0])
