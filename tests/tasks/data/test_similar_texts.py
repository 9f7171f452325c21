"""Similar texts, by the trigrams that they share."""

from collections import Counter

import numpy as np

from lm_envs.tasks.data.similar_texts import SimilarTexts

TEXTS = ["Close the file", "Open the folder", "Font size", "Closing all files", "x"]


def test_a_text_is_most_similar_to_itself_whatever_its_case():
    similar = SimilarTexts(TEXTS)
    for place, text in enumerate(TEXTS):
        assert similar.nearest(text.upper(), 1) == [place]


def test_a_rare_word_counts_more_than_a_common_one():
    similar = SimilarTexts(["the file and the size", "fonts", "the folder", "the end"])
    assert similar.nearest("the fonts", 1) == [1]


def test_texts_that_share_nothing_come_in_their_order():
    assert SimilarTexts(TEXTS).nearest("0000", 9) == [0, 1, 2, 3, 4]


def cosines(texts):
    """Returns the function of a text that adds up its cosines (N,) trigram by trigram."""
    counted = [trigrams(each) for each in texts]
    frequency = Counter(trigram for each in counted for trigram in each)
    rarity = {t: np.log((1 + len(texts)) / (1 + n)) for t, n in frequency.items()}
    weights = {
        trigram: np.array([rare * (1 + np.log(c[trigram])) if c[trigram] else 0.0 for c in counted])
        for trigram, rare in rarity.items()
    }
    norms = np.sqrt(np.maximum(sum(each**2 for each in weights.values()), 1e-12))

    def compare(text):
        products = np.zeros(len(texts))
        for trigram, occurrences in trigrams(text).items():
            if trigram in frequency:
                products += rarity[trigram] * (1 + np.log(occurrences)) * weights[trigram]
        return products / norms

    return compare


def trigrams(text):
    padded = f" {text.lower()} "
    return Counter(padded[start : start + 3] for start in range(len(padded) - 2))


def test_ties_and_near_ties_come_in_the_order_of_the_definition():
    rng = np.random.default_rng(0)
    words = [
        "the",
        "cat",
        "mat",
        "on",
        "sat",
        "Sat",
        "cats",
        "the end",
        "ÉTÉ",
        "猫が好き",
        "aaaaaa",
    ]
    texts = [" ".join(rng.choice(words, rng.integers(0, 9))) for _ in range(90)]
    similar, compare = SimilarTexts(texts), cosines(texts)
    for text in [*texts[:30], "", "zzz", "the cat and the mat", "aaaaaaaaa"]:
        order = np.argsort(-compare(text), kind="stable").tolist()
        for count in (1, 7, len(texts), len(texts) + 1):
            assert similar.nearest(text, count) == order[:count]
    assert len(set(texts)) < len(texts)  # there are ties
