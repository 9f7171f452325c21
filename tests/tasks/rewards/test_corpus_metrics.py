import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from lm_envs.tasks.rewards import corpus_metrics

labels = st.sampled_from(["good", "bad", "neutral", "??"])
pairs = st.lists(st.tuples(labels, labels), min_size=1, max_size=20)
TEXTS = ["the cat sat on the mat", "it rained all day", "he read the book twice"]
REFERENCES = [["a cat sat on the mat"], ["it rained all night", "it rained"], ["she read the book"]]


@given(pairs)
def test_class_metrics_are_those_of_scikit_learn(pairs):
    given_labels, expected = (list(side) for side in zip(*pairs, strict=True))
    assert corpus_metrics.accuracy(given_labels, expected) == accuracy_score(expected, given_labels)
    theirs = precision_recall_fscore_support(
        expected, given_labels, average="macro", zero_division=0
    )
    np.testing.assert_allclose(corpus_metrics.macro_scores(given_labels, expected), theirs[:3])


def test_labels_ignore_case_and_outer_spaces():
    assert corpus_metrics.macro_scores([" Good", "BAD\n"], ["good", "bad"]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (corpus_metrics.corpus_bleu, sacrebleu.corpus_bleu),
        (corpus_metrics.corpus_chrf, sacrebleu.corpus_chrf),
    ],
)
def test_corpus_scores_are_those_of_sacrebleu(ours, theirs):
    streams = [["a cat sat on the mat", "it rained all night", "she read the book"]]
    streams.append([None, "it rained", None])
    assert ours(TEXTS, REFERENCES) == pytest.approx(theirs(TEXTS, streams).score / 100)
    assert 0.3 < ours(TEXTS, REFERENCES) < 1


def test_a_chinese_corpus_is_compared_character_by_character():
    texts, references = ["今天北京的天气不好。"], ["今天北京的天气很好。"]
    expected = sacrebleu.corpus_bleu(texts, [references], tokenize="zh").score
    assert corpus_metrics.corpus_bleu(texts, [references]) == pytest.approx(expected / 100)


@pytest.mark.parametrize("score", [corpus_metrics.corpus_bleu, corpus_metrics.corpus_chrf])
def test_references_themselves_score_one(score):
    assert score(TEXTS, [[text] for text in TEXTS]) == pytest.approx(1.0)


@pytest.mark.parametrize("score", [corpus_metrics.corpus_bleu, corpus_metrics.corpus_chrf])
@pytest.mark.parametrize("references", [["a", "b", "c"], [["a"], [], ["c"]]])
def test_a_text_needs_a_list_of_references(score, references):
    with pytest.raises(ValueError, match="allowed: a list of one text or more"):
        score(TEXTS, references)


@pytest.mark.parametrize(
    "metric",
    [
        corpus_metrics.accuracy,
        corpus_metrics.macro_scores,
        corpus_metrics.corpus_bleu,
        corpus_metrics.corpus_chrf,
    ],
)
@pytest.mark.parametrize(("ours", "theirs"), [([], []), (["a"], []), (["a"], [["a"], ["b"]])])
def test_sides_of_different_length_are_refused(metric, ours, theirs):
    with pytest.raises(ValueError, match="allowed: as many, one or more"):
        metric(ours, theirs)


def test_perplexity_of_a_fair_die_is_six():
    assert corpus_metrics.perplexity(np.log(np.full(9, 1 / 6))) == pytest.approx(6.0)


def test_perplexity_of_nothing_is_refused():
    with pytest.raises(ValueError, match="Got no log-probabilities"):
        corpus_metrics.perplexity(np.zeros(0))
