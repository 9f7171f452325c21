import pytest

from agents.baselines.rules.memory import COMPARED, translation_memory

KNOWN = {
    "Text: The weather is nice today.": "Today the weather is nice.",
    "Text: He will call tomorrow.": "He is going to call tomorrow.",
    "Text: The house was built by the Romans.": "The Romans built the house.",
}


@pytest.mark.parametrize(
    ("prompt", "target"),
    [
        ("Text: The weather is wet today.", "Today the weather is wet."),
        ("Text: He will pay on Monday.", "He is going to pay on Monday."),
        ("Text: The wall was built by the king.", "The king built the wall."),
        ("Text: The weather is nice this week.", "This week the weather is nice."),
    ],
)
def test_words_that_differ_are_replaced_in_the_target(prompt, target):
    assert translation_memory(KNOWN, 3)(prompt) == target


def test_a_similar_prompt_whose_words_are_in_its_target_comes_before_a_more_similar_one():
    known = {"3 kilometers now": "3 km", "7 miles of road": "7 miles de route"}
    assert translation_memory(known, 1)("4 kilometres now") == "4 km"
    assert translation_memory(known, 2)("4 kilometres now") == "4 km"
    assert translation_memory({**known, "8 kilometres now": "8 kilometres"}, 2)(
        "4 kilometres now"
    ) == ("4 kilometres")


def test_the_most_similar_of_more_prompts_than_are_compared_is_found():
    others = {f"close file {i}": f"ferme le fichier {i}" for i in range(COMPARED)}
    text_for = translation_memory({**others, "open a door": "ouvre une porte", "a": "b"}, 1)
    assert text_for("open a doors") == "ouvre une porte"
