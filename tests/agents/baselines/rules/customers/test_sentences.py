import numpy as np
import pytest

from agents.baselines.rules.customers.sentences import (
    ENDS,
    GREETINGS,
    MEANINGS,
    WISHES,
    SentenceClassifier,
    labeled_sentences,
    sentences,
    stated_slot,
)
from lm_envs.tasks.simulators import customer_wordings as wordings
from lm_envs.tasks.simulators.customer import ITEMS, QUESTIONS
from lm_envs.tasks.simulators.customer_population import varied_customers
from lm_envs.tasks.simulators.varied_customer import CLARIFY, CONFIRM

LABELED = labeled_sentences(["train"])
CLASSIFIER = SentenceClassifier(LABELED)


def best(sentence, meanings):
    return meanings[int(CLASSIFIER.probabilities(sentence, meanings).argmax())]


def test_only_sentences_of_the_learned_split_are_labeled():
    texts = {text for text, _ in LABELED}
    assert {meaning for _, meaning in LABELED} == {*MEANINGS}
    held_out = {text for text, _ in labeled_sentences(["validation", "test"])}
    assert held_out
    assert not texts & held_out


def test_each_labeled_sentence_is_one_that_train_customers_write():
    lines = [*CLARIFY, *CONFIRM, *(line for forms in QUESTIONS.values() for line in forms)]
    written = set()
    for customer in varied_customers("train")[:3000]:
        state = customer.converse(())
        while not state.is_over:
            state.add(lines[(len(written) + len(state.replies)) % len(lines)])
        for part in (part for reply in state.replies for part in sentences(reply)):
            text = part.lower().replace(customer.item, "thing")
            written.add(text)
    assert {text for text, _ in LABELED} <= written


def test_held_out_sentences_are_mostly_recognized():
    rows = [
        (text, name, WISHES) for name, pool in wordings.WISHES.items() for text in pool.validation
    ]
    rows += [(text, "doubt", ENDS) for text in wordings.DOUBTS.validation]
    rows += [
        (text, name, ENDS) for name, pool in wordings.REMARKS.items() for text in pool.validation
    ]
    right = np.mean([best(text, meanings) == meaning for text, meaning, meanings in rows])
    assert right >= 0.7  # 1 of 6 or of 9 by chance


def test_the_item_does_not_matter():
    first, *others = (
        CLASSIFIER.probabilities(f"I want to return a {item}.", WISHES) for item in ITEMS
    )
    assert all((first == other).all() for other in others)
    assert best("I want to return a lamp.", WISHES) == "return"


def test_probabilities_are_those_of_the_possible_meanings_and_a_temperature_makes_them_surer():
    sure = SentenceClassifier(LABELED, temperature=0.5)
    wide = CLASSIFIER.probabilities("Be quick, dear team.", GREETINGS)
    narrow = sure.probabilities("Be quick, dear team.", GREETINGS)
    assert wide.shape == (4,)
    assert wide.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(narrow, wide**2 / (wide**2).sum())
    assert narrow.max() > wide.max()


def test_a_reply_is_divided_after_marks_and_after_a_greeting_with_a_comma():
    assert sentences("Dear sir or madam, Where is my lamp?") == [
        "Dear sir or madam,",
        "Where is my lamp?",
    ]
    assert sentences("In short: It is B7. I think.") == ["In short:", "It is B7.", "I think."]
    assert sentences("Quick, I have no time.") == ["Quick, I have no time."]


def test_a_value_tells_its_slot():
    assert stated_slot("It is B7.") == 0
    assert stated_slot("Because it is broken.") == 1
    assert stated_slot("In Rome.") == 2
    assert stated_slot("On Monday.") == 3
    assert stated_slot("I think.") is None
