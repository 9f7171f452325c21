from agents.preferences.comparisons import comparisons
from lm_envs.tasks.ratings import RatedText, Rating

TEXTS = {n: RatedText("PQ"[n > 3], str(n)) for n in range(1, 6)}


def test_a_pair_is_one_comparison_and_a_skipped_one_none():
    ratings = [Rating("a", 1, 2, 1.0), Rating("a", 3, 1, None), Rating("b", 4, 5, 0.5)]
    found = comparisons(TEXTS, ratings)
    assert [text.text for text in found.texts] == ["1", "2", "4", "5"]
    assert (found.first.tolist(), found.second.tolist()) == ([0, 2], [1, 3])
    assert (found.outcomes.tolist(), found.is_decided.tolist()) == ([1.0, 0.5], [True, False])
    assert found.prompts[0] != found.prompts[1]


def test_two_texts_that_one_rater_rated_after_one_prompt_are_a_comparison():
    ratings = [Rating("a", 1, None, 0.9), Rating("a", 2, None, 0.4), Rating("b", 3, None, 0.1)]
    found = comparisons(TEXTS, [*ratings, Rating("a", 4, None, 0.2)])
    assert [text.text for text in found.texts] == ["1", "2"]
    assert found.outcomes.tolist() == [1.0]
