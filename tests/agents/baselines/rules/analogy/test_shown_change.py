from agents.baselines.rules.analogy.changes import Pair
from agents.baselines.rules.analogy.shown_change import (
    KnownText,
    Prices,
    WordPairs,
    has_shown_examples,
    known_texts,
    parse_shown,
    ranked_readings,
    shown_change,
)
from lm_envs.tasks.paraphrase import Paraphrase
from tests.tasks.helpers import embedded_tokenizer

PROMPT = (
    "Text: Anna sold the car.\nParaphrase: the car was sold by Anna.\n\n"
    "Text: two men lost the boats.\nParaphrase: the boats were lost by two men.\n\n"
    "Text: Peter found four lamps.\nParaphrase:"
)


def test_a_prompt_is_its_solved_examples_and_its_text():
    shown = parse_shown(PROMPT)
    assert shown.text == "Peter found four lamps."
    assert shown.examples[1] == Pair("two men lost the boats.", "the boats were lost by two men.")
    assert parse_shown("Text: Peter found four lamps.\nParaphrase:") is None
    assert parse_shown("Context: a\nQuestion: b\nAnswer:") is None


NEIGHBORS, NEAR = Prices(1.0, 0.0), Prices(0.0, 1.0)


def test_pairs_of_neighbors_are_known_from_texts_of_other_groups():
    known = WordPairs([KnownText("a b c", "one"), KnownText("B c", "two")])
    assert known.cost("a b c", NEIGHBORS) == 0
    assert known.cost("b a", NEIGHBORS) == 2  # b begins a text, but a neither follows it nor ends
    assert known.cost("b c", NEIGHBORS, without="two") == 1  # no other text begins with b
    assert known.cost("a b c", NEIGHBORS, without="one") == 2
    assert known.cost("a b c", Prices(0.25, 0.0), without="one") == 0.5


def test_near_words_are_those_up_to_four_places_apart_that_are_no_neighbors():
    texts = ["four old lamps were big", "lamps was"]
    known = WordPairs([KnownText(text, text) for text in texts])
    assert known.cost("four lamps were", NEAR) == 0
    assert known.cost("four was", NEAR) == 0
    assert known.cost("four lamps was", NEAR) == 1
    assert known.cost("four lamps were", NEAR, without=texts[0]) == 1
    assert known.cost("four a b c d big", NEAR) == known.cost("five a b c d big", NEAR)


def test_pairs_that_no_text_has_cost_their_price():
    shown, known = parse_shown(PROMPT), WordPairs([KnownText("four lamps were found by Peter.")])
    free = {each.text: each.likeness for each in ranked_readings(shown, known, Prices(0.0, 0.0))}
    paid = ranked_readings(shown, known, Prices(1.0, 0.5))
    assert paid[0].text == "four lamps were found by Peter."
    for each in paid:
        assert each.likeness == free[each.text] - known.cost(each.text, Prices(1.0, 0.5))


def test_the_rule_writes_the_best_reading():
    known = WordPairs(known_texts([("Text: x\nParaphrase:", ("four lamps were found by Peter.",))]))
    assert shown_change(known, NEIGHBORS)(PROMPT) == "four lamps were found by Peter."
    assert shown_change(known, NEIGHBORS)("Once upon a time") == ""


def test_the_rule_applies_where_solved_examples_show_the_rule():
    tokenizer = embedded_tokenizer()
    shots = {"shots": 2, "prompt_tokens": 160}
    assert has_shown_examples(Paraphrase(tokenizer, held_out="rules", **shots))
    assert not has_shown_examples(Paraphrase(tokenizer, held_out="rules"))
    assert not has_shown_examples(Paraphrase(tokenizer, **shots))
