from dataclasses import replace

from agents.viewing import wording
from agents.viewing.trace import Candidate
from tests.agents.viewing.traces import make_traces


def test_the_choice_and_the_models_first_are_always_shown():
    step = make_traces(1)[0].steps[0]
    last = len(step.candidates) - 1
    shown = wording.shown_candidates(replace(step, chosen=last, first=0), most=3)
    assert len(shown) == 3
    assert {0, last} <= {place for place, _ in shown}


def test_blanks_and_line_ends_of_candidates_are_visible_and_long_texts_end_in_dots():
    assert wording.candidate_text(Candidate(" a\n")) == "␣a⏎"
    assert wording.candidate_text(Candidate("a" * 100), 10) == "aaaaaaaaa…"


def test_a_line_after_a_reply_begins_without_a_blank():
    trace = make_traces(1)[0]
    first, second = (replace(step, written=" a", reply="b") for step in trace.steps[:2])
    trace = replace(trace, steps=(first, second))
    assert [wording.written_text(trace, place) for place in (0, 1)] == [" a", "a"]


def test_a_number_that_is_rounded_to_zero_is_positive():
    assert wording.signed(-0.0004) == "+0.000"
    assert wording.signed(-0.0006) == "-0.001"


def test_values_are_scaled_to_the_step():
    step = make_traces(1)[0].steps[0]
    few = tuple(Candidate("x", -1.0, value) for value in (-2.0, 0.0, 2.0))
    step = replace(step, candidates=few)
    assert [wording.preference_share(step, each, "value") for each in few] == [0.0, 0.5, 1.0]
    assert wording.preference_text(few[2], "value") == "+2.000"
    assert wording.preference_text(few[2], "probability") == "200.0 %"


def test_a_rounded_log_probability_above_zero_is_shown_as_certain():
    """Regression: 100.1 % stood beside a certain token of a model in bfloat16."""
    assert wording.model_text(Candidate("a", model_logprob=0.001), is_line=False) == "100.0 %"
