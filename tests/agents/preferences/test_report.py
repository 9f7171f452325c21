import numpy as np
import pytest

from agents.preferences import report
from agents.preferences.agreement import share
from agents.preferences.fitting import Fit
from lm_envs.tasks.ratings import RatedText, Rating
from tests.agents.preferences.made_preferences import preference

TEXTS = {n: RatedText("p", str(n), source=["model", "run"][n % 2]) for n in range(4)}


def fit(hits):
    agreement = share(hits)
    return Fit(preference("m"), agreement, {8: 0.5, 16: 0.75}, "named features", 0.1, {"a": 1.0})


def test_facts_count_ratings_raters_sides_and_wins():
    ratings = [
        Rating("simulated-1", 0, 1, 0.0, is_swapped=True),  # the run's text, on the left
        Rating("Anna", 0, 1, 0.0),
        Rating("Anna", 2, 3, 0.5),
        Rating("Anna", 1, 2, None),
    ]
    facts = report.rating_facts(TEXTS, ratings)
    counts = [facts[name] for name in ("ratings", "raters", "simulated", "ties", "skipped")]
    assert counts == [4, 2, 1, 1, 1]
    assert (facts["left_chosen"]["mean"], facts["left_chosen"]["count"]) == (0.5, 2)
    assert facts["raters_agree"]["mean"] == 1.0
    assert facts["wins"]["model against run"]["mean"] == 0.0


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [(80, 20, "better than chance (50 %). An interval"), (11, 9, "about"), (4, 6, "none is in")],
)
def test_the_verdict_says_what_the_agreement_allows(right, wrong, words):
    found = report.verdict(fit(np.repeat([1.0, 0.0], [right, wrong])))
    assert words in found
    assert ("before it is used as a reward" in found) == (right < 80)


def test_the_table_labels_programs():
    facts = report.rating_facts(TEXTS, [Rating("simulated-1", 0, 1, 0.0)])
    rows = dict(report.rows(facts, fit(np.ones(20))))
    assert rows["simulated"] == "1 ratings, by programs"
    assert rows["held-out agreement"] == "100 % [84, 100] of 20"
    assert rows["agreement by comparisons"] == "8: 50 %, 16: 75 %"
