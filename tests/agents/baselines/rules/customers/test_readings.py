import pytest

from agents.baselines.rules.customers.readings import PLACE, Kind, Line, Reader, line_of
from agents.baselines.rules.customers.sentences import (
    MEANINGS,
    SentenceClassifier,
    labeled_sentences,
)
from lm_envs.tasks.simulators.customer import GOODBYE, QUESTIONS, REQUESTS
from lm_envs.tasks.simulators.varied_customer import (
    CLARIFY,
    CONFIRM,
    CONFIRMED,
    LEAVES,
    NOT_NEEDED,
    WRONG_GRANT,
)

READER = Reader(SentenceClassifier(labeled_sentences(["train"])))
ORDER, CITY = QUESTIONS["order"][0], QUESTIONS["city"][0]


def kinds(turn, reply):
    return [reading.kind for reading in READER.readings(turn, reply)]


def test_lines_of_the_agent_are_read():
    assert line_of("Which city?") == Line(slot=2, request=None, is_polite=False)
    assert line_of("In which city, please?") == Line(slot=2, request=None, is_polite=True)
    assert line_of(CONFIRM[1]) == Line(slot=None, request=None, is_polite=True)
    assert line_of(CLARIFY[0]) == Line(slot=None, request=None, is_polite=False)
    values = {"order": "B7", "reason": "it is broken", "city": "Rome", "day": "Monday"}
    for place, request in enumerate(REQUESTS.values()):
        grant = request.grant.format(**values)
        assert line_of(grant) == Line(slot=None, request=place, is_polite=False)


def test_fixed_replies_have_one_reading_and_farewells_none():
    grant = "Order B7 is cancelled."
    assert kinds(grant, WRONG_GRANT) == [Kind.WRONG_GRANT]
    assert kinds(CITY, NOT_NEEDED) == [Kind.NOT_NEEDED]
    assert kinds(CONFIRM[0], CONFIRMED) == [Kind.CONFIRMED]
    (corrected,) = READER.readings(CONFIRM[0], "No, wait, it is Rome.")
    assert (corrected.kind, corrected.stated) == (Kind.CORRECTED, (2,))
    assert kinds(grant, GOODBYE) == kinds(ORDER, LEAVES) == []


def test_an_opening_shows_mood_request_values_and_doubts():
    opening = READER.opening("Be quick. Where is my lamp? The number is B7. I think. I mean Rome.")
    assert MEANINGS[int(opening.greeting.argmax())] == "hurried"
    assert MEANINGS[int(opening.wish.argmax())] == "status"
    assert (opening.stated, opening.doubted) == ((0, 2), (0,))
    assert READER.opening("Hey. I need help. I mean Rome. I guess.").doubted == (2,)
    assert READER.opening("Hey. I need help.").stated == ()


def test_sentences_after_a_value_are_a_doubt_a_request_or_a_remark_in_this_order():
    assert len(READER.readings(ORDER, "It is B7.")) == 1
    one = READER.readings(ORDER, "It is B7. I guess.")
    assert [(r.doubted, r.wish is None, r.remark is None) for r in one] == [
        ((0,), True, True),
        ((), False, True),
        ((), True, False),
    ]
    assert one[0].doubt > 0.5
    assert one[1].doubt == 1.0
    two = READER.readings(ORDER, "It is B7. I guess. Where is my lamp?")
    assert [(r.doubted, r.wish is None, r.remark is None) for r in two] == [
        ((0,), False, True),
        ((0,), True, False),
        ((), False, False),
    ]
    assert len(READER.readings(ORDER, "It is B7. I guess. Where is my lamp? Cool.")) == 1


def test_a_sentence_between_two_values_is_a_doubt_of_the_first():
    (reading,) = READER.readings(ORDER, "It is B7. I guess. In Rome.")
    assert (reading.stated, reading.doubted) == ((0, 2), (0,))


def test_a_clarification_is_answered_or_refused_if_there_is_one_sentence():
    assert kinds(CLARIFY[0], "Where is my lamp?") == [Kind.NAMED, Kind.WITHHELD]
    named, withheld = READER.readings(CLARIFY[0], "Where is my lamp?")
    assert named.wish[PLACE["status"]] > withheld.refusal[PLACE["refusal"]]
    assert kinds(CLARIFY[0], "Where is my lamp? Cool.") == [Kind.NAMED]


@pytest.mark.parametrize("turn", [ORDER, CONFIRM[0]])
def test_another_reply_without_a_value_is_a_refusal(turn):
    (reading,) = READER.readings(turn, "Less talk.")
    assert reading.kind is Kind.WITHHELD
    assert MEANINGS[int(reading.refusal.argmax())] == "hurried"
