import numpy as np

from agents.baselines.drafts.memory import DRAFTS, NAME, WEIGHTS
from agents.baselines.searches import MINIMUM_RISK, searches


def family(environments, name):
    return next(each for each in searches(environments, "validation") if each.name == name)


def texts(environments, name, setting):
    found = family(environments, name).run(environments, "validation", np.arange(2), setting, 0)
    return [each.text.strip() for each in found]


def test_the_memory_is_taken_where_its_example_is_similar_and_drafts_elsewhere(environments):
    made = environments(shots=1)
    drafts = texts(made, MINIMUM_RISK, list(DRAFTS))
    assert texts(made, NAME, [0.9, WEIGHTS[-1]]) == ["ouvre la porte rouge", drafts[1]]
    assert texts(made, NAME, [1.0, WEIGHTS[-1]]) == drafts
    assert drafts[0] != "ouvre la porte rouge"


def test_settings_share_the_drafts_of_a_seed(environments):
    made = environments(shots=1)
    run = family(made, NAME).run
    first = run(made, "validation", np.arange(2), [1.0, 2.0], 0)
    again = run(made, "validation", np.arange(2), [1.0, 4.0], 0)
    assert all(each is other for each, other in zip(first, again, strict=True))


def test_prompts_without_solved_examples_have_no_such_search(environments):
    assert NAME not in {each.name for each in searches(environments(), "validation")}
