from agents.baselines.rules.customer_beliefs import (
    TONES,
    Conversation,
    beliefs,
    cached_beliefs,
    learned_classifiers,
    left_out,
)
from lm_envs.tasks.simulators.customer import QUESTIONS
from lm_envs.tasks.simulators.customer_population import varied_customers
from lm_envs.tasks.simulators.varied_customer import NOT_NEEDED, WRONG_GRANT

CUSTOMERS = varied_customers("train")[:400]
CLASSIFIERS = learned_classifiers(CUSTOMERS, "word")


def believed(*replies, turns=()):
    (found,) = beliefs(CLASSIFIERS, [Conversation(replies, turns)])
    return found


def test_wordings_tell_request_mood_and_doubt():
    sure = believed("Hurry up. I want to return a lamp.")
    assert max(sure.requests, key=sure.requests.__getitem__) == "return"
    assert max(sure.moods, key=sure.moods.__getitem__) == "hurried"
    doubted = believed("Hurry up. I want to return a lamp. The number is B7. I think.")
    assert doubted.mistaken > sure.mistaken


def test_beliefs_do_not_depend_on_the_conversations_beside_or_before_them():
    order = QUESTIONS["order"][0]
    talks = [Conversation((customer.opening,), ()) for customer in CUSTOMERS[:40]]
    talks += [Conversation((*talk.replies, "It is B7."), (order,)) for talk in talks]
    alone = [beliefs(CLASSIFIERS, [talk])[0] for talk in talks]
    assert beliefs(CLASSIFIERS, talks) == alone
    believe = cached_beliefs(CLASSIFIERS)
    for places in (range(30), range(20, 80), [5, 5, 70, 3]):
        assert believe([talks[place] for place in places]) == [alone[place] for place in places]


def test_a_refused_request_is_hardly_believed():
    opening, day = "Hello. When does the shop open?", QUESTIONS["day"][0]
    before = believed(opening).requests["hours"]
    foreign = believed(opening, NOT_NEEDED, turns=(day,))
    wrong = believed(opening, WRONG_GRANT, turns=("The shop in Rome opens at nine on Monday.",))
    assert foreign.requests["hours"] < before / 2 > wrong.requests["hours"]


def test_a_short_reply_without_a_value_is_a_refusal():
    for reply, is_refused in (("Excuse me?", True), ("It is B7.", False), (NOT_NEEDED, False)):
        assert Conversation(("Hello.", reply), ("Which city?",)).is_refused is is_refused


def test_a_word_is_left_out_everywhere_or_nowhere_and_another_salt_chooses_others():
    text = " ".join([*TONES, *(f"word{number}" for number in range(200))] * 2)
    kept = left_out(text, 0.3, salt=1).split()
    assert {*TONES} <= {*kept}
    assert all(kept.count(word) == 2 for word in kept)
    assert 0.55 < len(kept) / len(text.split()) < 0.85
    assert left_out(text, 0.3, salt=2).split() != kept
    assert left_out(text, 0.0, salt=1) == text


def test_words_that_are_left_out_are_not_read():
    reply = "Hurry up. I want to return a lamp. The number is B7. I think."
    kept = Conversation((left_out(reply, 0.5, salt=3),), ())
    talk = Conversation((reply,), ())
    assert kept != talk
    (found,) = beliefs(CLASSIFIERS, [talk], dropout=0.5, salts=[3])
    assert found.requests == beliefs(CLASSIFIERS, [kept])[0].requests
    assert found.mistaken == beliefs(CLASSIFIERS, [kept])[0].mistaken


def test_classifiers_with_dropout_learn_from_fewer_words():
    counted = [
        len(learned_classifiers(varied_customers("train")[:30], features).spoken.vocabulary_)
        for features in ("char_wb_dropout", "char_wb")
    ]
    assert counted[0] < counted[1]
