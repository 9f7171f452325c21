from agents.baselines.rules.customer_beliefs import Conversation
from agents.baselines.rules.customers.filter import FilteredBeliefs
from agents.baselines.rules.customers.rule import FilterThresholds, filtered_line
from lm_envs.tasks.base import Option
from lm_envs.tasks.simulators.customer import QUESTIONS
from lm_envs.tasks.simulators.customer_population import varied_customers
from lm_envs.tasks.simulators.varied_customer import CLARIFY, CONFIRM

CUSTOMER = next(
    each for each in varied_customers("train") if each.request == "return" and each.is_vague
)
HURRIED = {"hurried": 1.0, "formal": 0.0, "easy": 0.0}
THRESHOLDS = FilterThresholds(request=0.6, mistaken=0.1, named=0.5, again=0.2)


def line(share, named=0.0, turns=(), mistaken=0.0, thresholds=THRESHOLDS):
    state = CUSTOMER.converse(turns)
    options = [Option(*each) for each in CUSTOMER.options(turns)]
    belief = FilteredBeliefs({"return": share, "hours": 1.0 - share}, HURRIED, mistaken, named)
    return filtered_line(
        thresholds, Conversation(tuple(state.replies), tuple(turns)), belief, options
    )


def test_an_improbable_request_is_clarified_unless_it_was_named():
    assert line(share=0.55) == CLARIFY[0]
    assert line(share=0.65) in QUESTIONS["order"] + QUESTIONS["reason"]
    assert line(share=0.55, named=0.6) not in CLARIFY


def test_a_still_less_probable_request_is_clarified_again():
    # "return" is the likeliest of five requests here.
    many = dict.fromkeys(("status", "cancel", "hours", "address"), 0.17) | {"return": 0.32}
    state = CUSTOMER.converse([CLARIFY[0]])
    talk = Conversation(tuple(state.replies), (CLARIFY[0],))
    options = [Option(*each) for each in CUSTOMER.options([CLARIFY[0]])]
    belief = FilteredBeliefs(many, HURRIED, 0.0, 0.0)
    assert filtered_line(THRESHOLDS, talk, belief, options) == CLARIFY[0]
    once = FilterThresholds(request=0.6, named=0.5, again=1.0)
    assert filtered_line(once, talk, belief, options) not in CLARIFY
    assert line(share=0.55, turns=[CLARIFY[0]]) not in CLARIFY


def test_it_asks_confirms_and_grants_as_the_rule_of_classifiers_does():
    turns = [QUESTIONS[slot][0] for slot in CUSTOMER.converse([]).missing]
    while CUSTOMER.converse(turns).missing:
        turns.append(QUESTIONS[CUSTOMER.converse(turns).missing[0]][0])
    assert line(share=1.0, turns=turns, mistaken=0.5) == CONFIRM[0]
    assert line(share=1.0, turns=turns).startswith("The return of order")
