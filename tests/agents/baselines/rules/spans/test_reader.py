import numpy as np
import pytest

from agents.baselines.rules.spans.paragraphs import parse
from agents.baselines.rules.spans.reader import (
    QuestionClassifier,
    QuestionSetting,
    Solved,
    SpanClassifier,
    answer_scores,
    overlap,
    wording,
)

ASKED = {
    "seat": ("Where is {} governed?", "Where does the government of {} sit?"),
    "seller": ("Who sells most to {}?", "Which country sells goods to {}?"),
}
RELATIONS = tuple(sorted(ASKED))


def prompt(question, seat="Oz", sellers=("Chad 30%", "Peru 20%")):
    context = f"Capital: {seat}. Imports - partners: {', '.join(sellers)}."
    return f"Context: {context}\nQuestion: {question}\nAnswer:"


SOLVED = [
    Solved(parse(prompt(asked.format(name), seat, (f"{first} 30%", "Mali 20%"))), relation, answer)
    for name, seat, first in (("Fiji", "Suva", "Iran"), ("Cuba", "Havana", "Oman"))
    for relation, answer in (("seat", seat), ("seller", first))
    for asked in ASKED[relation]
]


def test_questions_in_one_wording_are_the_same_without_their_names():
    assert (
        wording("Who sells to Burkina Faso?") == wording("Who sells to Peru?") == "who sells to ?"
    )
    assert wording("Who sells to Bosnia and Herzegovina?") == "who sells to ?"


@pytest.mark.parametrize(
    "setting", [("stems", 10.0, 0.0), ("characters", 10.0, 0.3), ("both", 3.0, 0.0)]
)
def test_a_new_wording_is_read_by_its_words(setting):
    pairs = [(wording(each.paragraph.question), each.relation) for each in SOLVED]
    classifier = QuestionClassifier(pairs, QuestionSetting(*setting))
    shares = classifier.probabilities(["From where is Oz governed now?", "Who was selling to Oz?"])
    np.testing.assert_allclose(shares.sum(1), 1.0)
    assert [classifier.relations[place] for place in shares.argmax(1)] == ["seat", "seller"]


def test_the_best_span_changes_with_the_relation():
    spans = SpanClassifier(SOLVED, RELATIONS)
    paragraph = parse(prompt("Who?"))
    for relation, answer in (("seat", "Oz"), ("seller", "Chad")):
        known = np.array([[float(name == relation) for name in RELATIONS]])
        scores = answer_scores(paragraph, spans, known)
        assert scores.texts[scores.beliefs[0].argmax()] == answer


def test_a_text_that_stands_twice_has_the_sum():
    spans, halves = SpanClassifier(SOLVED, RELATIONS), np.array([[0.5, 0.5]])
    twice = answer_scores(parse(prompt("Who?", seat="Chad")), spans, halves)
    once = answer_scores(parse(prompt("Who?")), spans, halves)
    both = sum(once.beliefs[0, once.texts.index(text)] for text in ("Oz", "Chad"))
    assert twice.beliefs[0, twice.texts.index("Chad")] == pytest.approx(both)


def test_words_of_a_label_in_the_question_count_for_its_spans():
    paragraph = parse(prompt("Whose imports are they?"))
    shares = dict(zip([span.text for span in paragraph.spans], overlap(paragraph), strict=True))
    assert shares["Chad"] > shares["Oz"] == 0.0
