"""With the exact chance of each sentence, the filter is the posterior of the simulator itself."""

import itertools
import random

import numpy as np
import pytest

from agents.baselines.rules.customer_beliefs import Conversation
from agents.baselines.rules.customers import filter as bayes
from agents.baselines.rules.customers.families import filtered
from agents.baselines.rules.customers.filter import first_posterior, updated
from agents.baselines.rules.customers.readings import Reader, line_of
from agents.baselines.rules.customers.sentences import (
    CLARIFIED,
    DOUBT,
    ENDS,
    GREETING,
    GREETINGS,
    REFUSAL,
    REFUSALS,
    VAGUE,
    WISHES,
    SentenceClassifier,
)
from lm_envs.tasks.simulators import customer_wordings as wordings
from lm_envs.tasks.simulators.customer import ITEMS, QUESTIONS, REQUESTS
from lm_envs.tasks.simulators.customer_population import PATIENCE, varied_customers
from lm_envs.tasks.simulators.varied_customer import (
    CLARIFY,
    MOODS,
    NOT_NEEDED,
    WRONG_GRANT,
    State,
    VariedCustomer,
)

REFUSED = {mood or REFUSAL: pool for mood, pool in wordings.REFUSALS.items()}
POOLS = {
    GREETINGS: {mood or GREETING: pool for mood, pool in wordings.GREETINGS.items()},
    WISHES: wordings.WISHES | {VAGUE: wordings.VAGUE},
    ENDS: wordings.WISHES | wordings.REMARKS | {DOUBT: wordings.DOUBTS},
    REFUSALS: REFUSED,
    CLARIFIED: wordings.WISHES | REFUSED,
}
HELLO = "Hello. I need help."
"""An opening that every customer may write, whatever the request and the mood."""


class ExactSentences(SentenceClassifier):
    """The chance of a train sentence for each meaning."""

    def __init__(self):
        pass

    def probabilities(self, sentence, meanings):
        pools = POOLS[meanings]
        texts = {sentence, *(sentence.replace(item, "{item}") for item in ITEMS)}
        shares = [
            np.mean([each in texts for each in pools[meaning].train]) if meaning in pools else 0.0
            for meaning in meanings
        ]
        return np.array(shares)


READER = Reader(ExactSentences())


def posterior(opening, *pairs):
    found = first_posterior(READER.opening(opening))
    for turn, reply in pairs:
        found = updated(found, line_of(turn), READER.readings(turn, reply))
    return found


def beliefs(opening, *pairs):
    return posterior(opening, *pairs).beliefs


def test_an_opening_that_shows_nothing_leaves_the_shares_of_the_population():
    found = posterior(HELLO)
    assert len(found.table) == 72  # 12 requests with mistakes, 3 moods, 2 of patience; not named
    # No value is given: 0.7 for each slot that an opening may state, 2 of "hours" and "address".
    able = {"return": 1, "status": 1, "cancel": 1, "hours": 2, "address": 2}
    total = sum(0.7**count for count in able.values())
    expected = {name: 0.7**count / total for name, count in able.items()}
    assert found.beliefs.requests == pytest.approx(expected)
    assert found.beliefs.moods == pytest.approx(dict.fromkeys(MOODS, 1 / 3))
    assert (found.beliefs.named, found.beliefs.mistaken) == (0.0, 0.0)


def test_a_doubt_raises_the_chance_of_a_mistake_as_computed_by_hand():
    sure, doubted = f"{HELLO} This is order B7.", f"{HELLO} This is order B7. I think."
    # "return", "status" and "cancel" mistake only the order, "address" also the city: 1 of 2.
    # Shares by given slots: 0.3 each for the first three, 0.3 * 0.7 for "address".
    weights = {"one": 0.9, "two": 0.21}
    mistaken = weights["one"] * 0.25 + weights["two"] * 0.125
    right = sum(weights.values()) - mistaken
    for opening, doubt in ((sure, (0.15, 0.85)), (doubted, (0.85, 0.15))):
        expected = mistaken * doubt[0] / (mistaken * doubt[0] + right * doubt[1])
        assert beliefs(opening).mistaken == pytest.approx(expected)
    assert beliefs(sure).requests["hours"] == 0.0


def test_one_update_is_as_computed_by_hand():
    # A hurried customer withholds 0.7 of the answers to polite lines; half of the refusals show
    # it, each of three sentences. The others show nothing, one of five sentences.
    shown = beliefs(HELLO, (CLARIFY[1], "Less talk."))
    assert shown.moods == pytest.approx({"hurried": 1.0, "formal": 0.0, "easy": 0.0})
    # An answer in the right tone: 0.3 for hurried customers, 1 for the others; no remark.
    named = beliefs(HELLO, (CLARIFY[1], "Where is my lamp?"))
    assert named.moods == pytest.approx({"hurried": 3 / 23, "formal": 10 / 23, "easy": 10 / 23})
    assert named.requests["status"] == pytest.approx(1.0)
    assert named.named == pytest.approx(1.0)


def test_a_polite_line_that_gets_no_answer_raises_the_hurried_mood_and_a_short_one_the_formal():
    order = QUESTIONS["order"]
    before = beliefs(HELLO).moods
    polite, short = (beliefs(HELLO, (line, "Hm.")).moods for line in (order[1], order[0]))
    assert polite["hurried"] == pytest.approx(1.0)
    assert before["hurried"] < 0.4
    assert short["formal"] == pytest.approx(1.0)


def test_a_second_fault_makes_every_customer_hurried():
    grants = [REQUESTS[name].grant.format(order="B7") for name in ("status", "cancel")]
    told = f"{HELLO} This is order B7."
    once = beliefs(told, (grants[0], WRONG_GRANT))
    twice = beliefs(told, (grants[0], WRONG_GRANT), (grants[1], WRONG_GRANT))
    assert once.moods["easy"] > 0.3
    assert twice.moods == pytest.approx({"hurried": 1.0, "formal": 0.0, "easy": 0.0})


def test_a_wrong_grant_and_a_needless_question_rule_requests_out():
    told = f"{HELLO} This is order B7."
    refused = beliefs(told, ("Order B7 is cancelled.", WRONG_GRANT)).requests
    assert refused["cancel"] == 0.0 < beliefs(told).requests["cancel"]
    foreign = beliefs(HELLO, (QUESTIONS["city"][0], NOT_NEEDED)).requests
    assert foreign["hours"] == foreign["address"] == 0.0
    assert sum(foreign.values()) == pytest.approx(1.0)


def test_customers_without_patience_have_left():
    turns = [(CLARIFY[1], "Hm.")] * 4
    assert {*posterior(HELLO, *turns[:3]).table["patience"].tolist()} == {1, 2}
    assert {*posterior(HELLO, *turns).table["patience"].tolist()} == {1}


def test_a_correction_ends_the_mistake_and_a_confirmation_excludes_it():
    told = f"{HELLO} This is order B7. I think."
    line = "Is that right?"
    assert beliefs(told).mistaken > 0.4
    assert beliefs(told, (line, "No, wait, it is A1.")).mistaken == 0.0
    assert beliefs(told, (line, "Yes, that is right.")).mistaken == 0.0


def test_a_farewell_changes_nothing():
    before = posterior(HELLO)
    assert (
        updated(before, line_of(CLARIFY[0]), READER.readings(CLARIFY[0], "Then I go elsewhere."))
        is before
    )


def customer(request, mood, patience, is_named, draws):
    values = dict.fromkeys(REQUESTS[request].slots, "it")
    return VariedCustomer(
        request, "lamp", values, values, mood, patience, (), not is_named, HELLO, "train", draws
    )


GRID = [(np.arange(count) + 0.5) / count for count in (12, 10, 15)]
CELLS = [(a, b, 0.5, c, 0.5, 0.01) for a, b, c in itertools.product(*GRID)]
"""Draws of one line: for a remark or a refusal of a mood, for an answer, and for a sentence."""


def end_and_chance(asked, pairs):
    """Returns the customer's state after some replies, and the share of draws that write them."""
    drawn, share, turns, state = (), 1.0, [], State(customer(*asked, (CELLS[0],)))
    for turn, reply in pairs:
        turns.append(turn)
        states = []
        for cell in CELLS:
            state = State(customer(*asked, (*drawn, cell)))
            for line in turns:
                state.add(line)
            if state.replies[-1] == reply:
                states.append((state, cell))
        if not states:
            return state, 0.0
        share *= len(states) / len(CELLS)
        state, cell = states[0]
        drawn = (*drawn, cell)
    return state, share


def enumerated(pairs):
    """Returns the probability of each request, mood and patience for two requests, both vague."""
    found = {}
    for request in ("status", "cancel"):
        for mood in MOODS:
            for patience in PATIENCE[mood]:
                end, share = end_and_chance((request, mood, patience, False), pairs)
                key = request, end.mood, end.patience
                found[key] = found.get(key, 0.0) + share
    total = sum(found.values())
    return {key: share / total for key, share in found.items() if share}


def filtered_shares(pairs):
    """Returns the same from the filter."""
    table, found = posterior(HELLO, *pairs).table, {}
    names = list(REQUESTS)
    for row in table[np.isin(table["request"], [names.index("status"), names.index("cancel")])]:
        key = names[row["request"]], MOODS[row["mood"]], int(row["patience"])
        found[key] = found.get(key, 0.0) + float(row["weight"])
    total = sum(found.values())
    return {key: share / total for key, share in found.items()}


REFUSED_THEN_NAMED = ((CLARIFY[1], "Hm."), (CLARIFY[0], "Where is my lamp? Go on."))
NAMED_TWICE = ((CLARIFY[1], "Where is my lamp?"), (CLARIFY[1], "Where is my lamp?"))
PUT_OFF = ((CLARIFY[0], "Hm."), (CLARIFY[0], "What?"), (CLARIFY[1], "Less talk."))
CASES = (REFUSED_THEN_NAMED, PUT_OFF, NAMED_TWICE, NAMED_TWICE[:1])


@pytest.mark.parametrize("pairs", CASES)
def test_the_filter_equals_the_enumeration_of_all_draws(pairs):
    expected = enumerated(pairs)
    assert len(expected) > 1
    assert filtered_shares(pairs) == pytest.approx(expected)


def test_the_filter_of_another_tone_does_not_equal_the_enumeration():
    other = filtered_shares([(CLARIFY[0], "Where is my lamp?")])
    assert other != pytest.approx(enumerated(NAMED_TWICE[:1]))


def last_beliefs():
    """Returns beliefs and truths after some random lines, one conversation for each customer."""
    rng, rows, believe = random.Random(0), [], filtered(ExactSentences())
    for each in varied_customers("train")[:1200]:
        state, turns = State(each), []
        count = rng.randrange(1, 6)
        while len(turns) < count and not state.is_over:
            enabled = [line for line, is_enabled in each.options(turns) if is_enabled]
            turns.append(rng.choice(enabled))
            state.add(turns[-1])
        if not state.is_over:
            (found,) = believe([Conversation(tuple(state.replies), tuple(turns))])
            rows += [(found.moods[mood], state.mood == mood) for mood in MOODS[:2]]
            rows += [(found.requests[name], each.request == name) for name in ("return", "hours")]
            rows += [(found.mistaken, bool(state.mistaken)), (found.named, state.is_named)]
    return np.array(rows, np.float64).reshape(-1, 6, 2)


def surprise(rows):
    """Returns by how many standard errors truths differ from beliefs, in each of three ranges."""
    shares, truths = rows[..., 0], rows[..., 1]
    found = []
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
        is_in = (shares >= low) & (shares <= high)
        for column in range(shares.shape[1]):
            p, t = shares[is_in[:, column], column], truths[is_in[:, column], column]
            found.append(abs((t - p).sum()) / np.sqrt((p * (1 - p)).sum() + 1.0))
    return max(found)


def test_what_is_believed_is_as_often_true_as_it_is_probable():
    assert surprise(last_beliefs()) < 3.5


@pytest.mark.parametrize(
    ("name", "wrong"), [("DOUBT", {True: 0.5, False: 0.5}), ("MISTAKEN", 0.05)]
)
def test_with_another_chance_than_the_simulators_it_is_not(name, wrong, monkeypatch):
    monkeypatch.setattr(bayes, name, wrong)
    assert surprise(last_beliefs()) > 3.5
