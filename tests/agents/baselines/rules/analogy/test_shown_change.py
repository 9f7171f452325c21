from agents.baselines.rules.analogy.changes import Pair
from agents.baselines.rules.analogy.shown_change import (
    KnownText,
    ShownChange,
    WordPairs,
    has_shown_examples,
    known_texts,
    parse_shown,
    ranked_readings,
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


def test_pairs_of_words_are_known_from_texts_of_other_groups():
    known = WordPairs([KnownText("a b c", "one"), KnownText("B c", "two")])
    assert known.unknown("a b c") == 0
    assert known.unknown("b a") == 2  # "b" begins a known text, but a does not follow it or end one
    assert known.unknown("b c", without="two") == 1  # no other text begins with b
    assert known.unknown("a b c", without="one") == 2


def test_neighbors_that_no_text_has_cost_a_price():
    shown, known = parse_shown(PROMPT), WordPairs([KnownText("four lamps were found by Peter.")])
    free = {each.text: each.likeness for each in ranked_readings(shown, known, 0.0)}
    paid = ranked_readings(shown, known, 1.0)
    assert paid[0].text == "four lamps were found by Peter."
    assert all(each.likeness == free[each.text] - known.unknown(each.text) for each in paid)


def test_the_rule_writes_the_best_reading():
    known = WordPairs(known_texts([("Text: x\nParaphrase:", ("four lamps were found by Peter.",))]))
    assert ShownChange(known, 1.0).text_for(PROMPT) == "four lamps were found by Peter."


def test_the_rule_applies_where_solved_examples_show_the_rule():
    tokenizer = embedded_tokenizer()
    shots = {"shots": 2, "prompt_tokens": 160}
    assert has_shown_examples(Paraphrase(tokenizer, held_out="rules", **shots))
    assert not has_shown_examples(Paraphrase(tokenizer, held_out="rules"))
    assert not has_shown_examples(Paraphrase(tokenizer, **shots))
