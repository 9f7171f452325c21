from agents.baselines.rules.spans.paragraphs import AMOUNT, NAME, WHOLE, parse

PROMPT = (
    "Context: Border countries: Chad 1,403 km; Egypt 276 km. Agriculture: 22%; industry: 3.5%. "
    "Major urban areas: 1.2 million Oz, Uz.\nQuestion: Who is next?\nAnswer:"
)


def test_spans_are_the_items_of_lists_their_names_and_their_amounts():
    question, spans = parse(PROMPT)
    assert question == "Who is next?"
    found = {(span.text, span.form, span.place, span.is_largest) for span in spans}
    assert {("Chad", NAME, 0, True), ("1,403", AMOUNT, 0, True)} <= found
    assert {("Egypt", NAME, 1, False), ("Egypt 276 km", WHOLE, 1, False)} <= found
    assert ("Uz", WHOLE, 1, False) in found


def test_parts_of_a_field_have_labels_of_their_own():
    labels = {span.text: span.label for span in parse(PROMPT).spans}
    assert labels["22%"] == "Agriculture|Agriculture"
    assert labels["3.5%"] == "Agriculture|industry"
    assert labels["Chad"] == "Border countries|"


def test_a_prompt_without_a_context_has_no_spans():
    assert parse("Question: Who?\nAnswer:").spans == ()
