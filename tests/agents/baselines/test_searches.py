import itertools

import numpy as np
import pytest

from agents.baselines.families import Environments
from agents.baselines.searches import BEAM, BEST, best_of_curve, expected_best, searches
from tests.agents.finished_run import CONFIG, changed


def test_the_expected_best_is_the_mean_over_all_choices():
    rewards = np.random.default_rng(0).normal(size=(3, 6))
    rewards[1, :3] = 0.5  # ties
    sizes = (1, 2, 4, 6)
    expected = [
        [np.mean([max(chosen) for chosen in itertools.combinations(row, n)]) for n in sizes]
        for row in rewards
    ]
    np.testing.assert_allclose(expected_best(rewards, sizes), expected, atol=1e-12)


def test_the_best_of_more_samples_is_better_and_costs_more():
    environments = Environments(CONFIG)
    curve = best_of_curve(environments, "test", np.arange(3), 1.0)
    assert [point["n"] for point in curve] == [1, 2, 4, 8, 16, 32, 64]
    rewards = [point["reward"] for point in curve]
    assert rewards == sorted(rewards)
    assert curve[3]["tokens"] == pytest.approx(8 * curve[0]["tokens"])


def test_text_is_searched_by_beams_and_samples_and_a_model_by_evolution():
    environments = Environments(CONFIG)
    found = {family.name: family for family in searches(environments, "test")}
    assert list(found) == [BEAM, BEST]
    assert [name for name, family in found.items() if family.uses_reward] == [BEST]
    env = {"id": "lm_envs/StructureSearch-v0", "n_envs": 2, "kwargs": {"passages": 2}}
    tuning = Environments(changed(env=CONFIG.env.model_validate(env)))
    names = [family.name for family in searches(tuning, "test")]
    assert names == ["constant settings, by evolution"]
