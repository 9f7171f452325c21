import numpy as np
import pytest

from agents.baselines.families import Environments, Family, by_policy, fixed, grid
from agents.baselines.searches import BEST, searches
from agents.baselines.suite import best_of_record, run_suite
from agents.evaluation.baselines import greedy, random_actions, sampling
from tests.agents.finished_run import CONFIG

FAMILIES = [
    Family("greedy", fixed, by_policy(lambda setting, seed: greedy())),
    Family("random", fixed, by_policy(lambda setting, seed: random_actions(seed)), is_drawn=True),
    Family("sampling", grid(0.5, 1.0), by_policy(sampling), is_drawn=True),
]


@pytest.fixture(scope="module")
def environments():
    return Environments(CONFIG)


@pytest.fixture(scope="module")
def suite(environments):
    return run_suite(environments, "test", np.arange(8), FAMILIES)


def test_the_strongest_is_the_best_on_the_split_of_the_choice(suite):
    rewards = {name: found.reward for name, found in suite.chosen.items()}
    assert suite.strongest == max(rewards, key=lambda name: rewards[name])
    assert suite.chosen_on == "validation"
    assert suite.record()["baselines"]["settings"]["sampling"]["setting"] in (0.5, 1.0)


def test_families_that_draw_have_several_seeds(suite):
    sizes = {name: len(seeds) for name, seeds in suite.rollouts.items()}
    assert sizes == {"greedy": 1, "random": 3, "sampling": 3}


def test_too_few_prompts_choose_nothing(environments):
    few = run_suite(environments, "test", np.arange(4), FAMILIES)
    assert set(few.rollouts) == {"greedy", "random"}
    assert few.record() == {}


def test_best_of_n_is_never_the_strongest_and_has_a_curve(environments):
    found = [*FAMILIES[:1], *(f for f in searches(environments, "test") if f.name == BEST)]
    suite = run_suite(environments, "test", np.arange(8), found, seeds=(0,))
    assert suite.chosen[BEST].reward > suite.chosen["greedy"].reward
    assert suite.strongest == "greedy"
    record = best_of_record(environments, "test", np.arange(8), suite)["best_of_n"]
    assert record["temperature"] == suite.chosen[BEST].setting
    assert record["curve"][0]["n"] == 1
