"""Similar texts, by the trigrams that they share."""

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
