import gc
import re
import string
import unicodedata
import weakref
from collections import Counter

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.chrf import CHRF

from lm_envs.tasks.rewards.text_scores import TEXT_SCORES, bleu, exact_match, token_f1

COMPARING = [name for name in TEXT_SCORES if name != "sentiment"]
SYMMETRIC = ["rouge_1", "rouge_2", "rouge_l", "exact_match", "token_f1", "accuracy"]
GRADED = ["bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "token_f1"]

pieces = st.lists(st.sampled_from(["a", "the", "cat", "été", "北京", ".", "!", "7"]))
texts = st.one_of(st.text(max_size=40), pieces.map(" ".join))
words = st.lists(st.text(string.ascii_letters, min_size=1, max_size=5), min_size=4, max_size=12)
sentences = words.map(" ".join)
ascii_texts = st.text(string.printable, max_size=60)


@pytest.mark.parametrize("name", TEXT_SCORES)
@given(texts, st.lists(texts, max_size=3))
def test_a_score_is_between_0_and_1(name, text, references):
    assert 0.0 <= TEXT_SCORES[name](text, references) <= 1.0


@pytest.mark.parametrize("name", COMPARING)
@given(sentences.filter(lambda text: not re.search(r"\b(a|an|the)\b", text.lower())))
def test_a_reference_itself_scores_best(name, text):
    assert TEXT_SCORES[name](text, ["something else", text]) == pytest.approx(1.0)


@pytest.mark.parametrize("name", COMPARING)
def test_a_chinese_reference_itself_scores_best(name):
    assert TEXT_SCORES[name]("今天北京的天气很好", ["今天北京的天气很好"]) == pytest.approx(1.0)


@pytest.mark.parametrize("name", GRADED)
def test_chinese_is_compared_character_by_character(name):
    score = TEXT_SCORES[name]
    near, far = (
        score(text, ["今天北京的天气很好"]) for text in ("今天北京的天气不好", "我喜欢吃苹果和香蕉")
    )
    assert 0.5 < near < 1.0
    assert far < 0.1


@pytest.mark.parametrize("name", SYMMETRIC)
@given(texts, texts)
def test_symmetric_scores_ignore_which_text_is_the_reference(name, text, reference):
    score = TEXT_SCORES[name]
    assert score(text, [reference]) == score(reference, [text])


@pytest.mark.parametrize("name", TEXT_SCORES)
@given(texts, texts)
def test_the_unicode_form_makes_no_difference(name, text, reference):
    score = TEXT_SCORES[name]
    composed, decomposed = (
        score(unicodedata.normalize(ours, text), [unicodedata.normalize(theirs, reference)])
        for ours, theirs in (("NFC", "NFD"), ("NFD", "NFC"))
    )
    assert composed == decomposed


@pytest.mark.parametrize("name", COMPARING)
@given(texts, texts, texts)
def test_the_best_reference_counts_in_any_order(name, text, first, second):
    score = TEXT_SCORES[name]
    assert score(text, [first, second]) == pytest.approx(score(text, [second, first]))


@pytest.mark.parametrize("name", TEXT_SCORES)
@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_text_scores_zero(name, text):
    assert TEXT_SCORES[name](text, ["some text", ""]) == 0.0


@pytest.mark.parametrize("name", COMPARING)
@pytest.mark.parametrize("references", [[], [""], [" "]])
def test_without_a_reference_the_score_is_zero(name, references):
    assert TEXT_SCORES[name]("some text", references) == 0.0


@pytest.mark.parametrize("name", COMPARING)
def test_one_text_in_place_of_a_list_is_refused(name):
    """Regression: a string is a sequence of strings, its characters."""
    with pytest.raises(ValueError, match="references='some text'; allowed: a list of texts"):
        TEXT_SCORES[name]("some text", "some text")


@given(sentences, st.lists(sentences, min_size=1, max_size=3))
def test_bleu_and_chrf_are_those_of_sacrebleu(text, references):
    expected = sacrebleu.sentence_bleu(text, references, smooth_method="exp").score
    assert bleu(text, references) == pytest.approx(expected / 100)
    expected = sacrebleu.sentence_chrf(text, references).score
    assert TEXT_SCORES["chrf"](text, references) == pytest.approx(expected / 100)


def test_bleu_uses_the_chinese_tokenizer_for_chinese():
    text, reference = "今天北京的天气不好。", "今天北京的天气很好。"
    expected = sacrebleu.sentence_bleu(text, [reference], tokenize="zh").score
    assert bleu(text, [reference]) == pytest.approx(expected / 100)
    assert bleu(text, [reference]) > 0.5


@given(ascii_texts, st.lists(ascii_texts.filter(str.strip), min_size=1, max_size=3))
def test_rouge_is_that_of_rouge_score(text, references):
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    expected = scorer.score_multi(references, text)
    for ours, theirs in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        score = TEXT_SCORES[ours](text, references)
        assert score == pytest.approx(expected[theirs].fmeasure)


def test_rouge_keeps_letters_with_accents():
    """The reference implementation cuts "élève" to "l", "ve"."""
    assert TEXT_SCORES["rouge_1"]("l'élève", ["l eleve"]) == 0.5


def official_normalization(text):
    text = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def official_f1(prediction, truth):
    ours, theirs = (official_normalization(text).split() for text in (prediction, truth))
    shared = sum((Counter(ours) & Counter(theirs)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(ours), shared / len(theirs)
    return 2 * precision * recall / (precision + recall)


# Of a text without words the official script makes nothing, which equals any other nothing.
texts_with_words = ascii_texts.filter(official_normalization)


@given(texts_with_words, texts_with_words)
def test_answers_are_scored_as_by_the_official_squad_script(text, reference):
    same = official_normalization(text) == official_normalization(reference)
    assert exact_match(text, [reference]) == same
    assert token_f1(text, [reference]) == pytest.approx(official_f1(text, reference))


@pytest.mark.parametrize(
    ("text", "references", "exact", "f1"),
    [
        ("The Eiffel Tower!", ["eiffel tower"], 1, 1.0),
        ("Denver Broncos", ["Carolina Panthers", "the Denver  Broncos."], 1, 1.0),
        ("in the city of Paris", ["Paris"], 0, 2 / 5),
        ("don't", ["dont"], 1, 1.0),
        ("theatre", ["atre"], 0, 0.0),
        ("北京。", ["北京"], 1, 1.0),
        ("北京市", ["北京"], 0, 4 / 5),
    ],
)
def test_answers_computed_by_hand(text, references, exact, f1):
    assert exact_match(text, references) == exact
    assert token_f1(text, references) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("text", "value"), [(" Positive\n", 1.0), ("positive!", 0.0), ("bad", 1.0)]
)
def test_accuracy_ignores_case_and_outer_spaces(text, value):
    assert TEXT_SCORES["accuracy"](text, ["positive", "BAD"]) == value


def test_sentiment_orders_bad_neutral_good():
    sentiment = TEXT_SCORES["sentiment"]
    good, neutral, bad = map(
        lambda text: sentiment(text, []), ("A wonderful day!", "A table.", "A horrible, sad day.")
    )
    assert bad < 0.3 < neutral == 0.5 < 0.7 < good


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("की", "कि"),
        ("ข้าว", "ขาว"),
        ("কি", "কী"),
        ("ကို", "ကာ"),
        ("שָׁלוֹם", "שלום"),
        ("ọ̀kọ̀", "ọ̀kọ"),
    ],
    ids=["Hindi", "Thai", "Bengali", "Burmese", "Hebrew", "Yoruba"],
)
@pytest.mark.parametrize("name", ["rouge_1", "rouge_l", "token_f1", "exact_match"])
def test_words_that_differ_in_a_combining_mark_are_different(name, text, other):
    """Regression: ROUGE ignored combining marks and scored 1."""
    assert TEXT_SCORES[name](text, [text]) == 1.0
    assert TEXT_SCORES[name](text, [other]) == 0.0


@pytest.mark.parametrize("answer", ["+", "the", "?!"])
def test_a_right_answer_of_punctuation_or_an_article_scores_1(answer):
    """Regression: token_f1 was 0, and exact_match of "+" and "-" was 1."""
    assert token_f1(answer, [answer]) == exact_match(answer, [answer]) == 1
    assert exact_match("-", [answer]) == token_f1("-", [answer]) == 0


def test_few_of_many_long_references_stay_in_memory():
    """Regression: 2048 were kept of any length, whose n-grams take 300 bytes a character."""
    filler = string.ascii_letters * 20
    for number in range(100):
        assert 0 < TEXT_SCORES["chrf"]("a text", [f"a text {number} {filler}"]) < 1
    gc.collect()
    # Each takes 300 bytes for each of 1,050 characters; 4 MiB in all.
    assert 5 < sum(type(each) is CHRF for each in gc.get_objects()) < 15


class Text(str):
    """A text whose end can be seen."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize("name", COMPARING)
def test_few_of_many_long_texts_stay_in_memory(name):
    """Regression: 16384 were kept of any length."""
    texts = [Text(f"{number} of many " + "a" * 10_000) for number in range(400)]
    alive = [weakref.ref(text) for text in texts]
    while texts:
        TEXT_SCORES[name](texts.pop(), ["b"])
    gc.collect()
    # Each takes 10,300 bytes; 2 MiB in all.
    assert 150 < sum(reference() is not None for reference in alive) < 210
