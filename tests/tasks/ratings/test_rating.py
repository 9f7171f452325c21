from lm_envs.tasks.ratings.rating import Rating, normalized


def test_a_text_has_one_normal_form():
    assert normalized(" cafe\u0301\n") == "caf\u00e9"


def test_ratings_of_programs_are_labeled_by_the_raters_name():
    assert Rating("simulated-1", 1, 2, 1.0).is_simulated
    assert not Rating("Anna", 1, 2, 1.0).is_simulated
