"""Drafts are drawn once, and as minimum Bayes risk always drew them."""

import numpy as np

from agents.baselines.drafts.drawing import NUM_SAMPLES, Drafts
from agents.baselines.families import Environments
from agents.baselines.rules.tokens import drafting
from agents.evaluation.search import most_typical, typical_texts
from tests.agents.finished_run import CONFIG

SETTING = [1.0, 0.0, 0.0]


def test_each_example_has_its_drafts_and_each_setting_and_seed_its_own():
    environments, indices, drafts = Environments(CONFIG), np.array([0, 3]), Drafts()
    first = drafts.draw(environments, "validation", indices, SETTING, 0)
    assert [len(group) for group in first] == [NUM_SAMPLES, NUM_SAMPLES]
    policy = drafting(SETTING, 0)
    typical = typical_texts(environments.get("validation"), policy, indices, NUM_SAMPLES)
    assert [most_typical(group).text for group in first] == [each.text for each in typical]
    again = drafts.draw(environments, "validation", indices, SETTING, 0)
    for group, other in zip(first, again, strict=True):
        assert all(a is b for a, b in zip(group, other, strict=True))
    for setting, seed in ((SETTING, 1), ([0.5, 0.0, 0.0], 0)):
        other = drafts.draw(environments, "validation", indices, setting, seed)
        assert [each.text for each in other[0]] != [each.text for each in first[0]]
