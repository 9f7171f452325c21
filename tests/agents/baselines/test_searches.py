import itertools

import numpy as np
import pytest

from agents.baselines.families import Environments
from agents.baselines.searches import (
    BEAM,
    BEST,
    FREQUENT_BEAM,
    MINIMUM_RISK,
    best_of_curve,
    expected_best,
    searches,
)
from agents.evaluation.baselines import sampling
from agents.evaluation.rollouts import mean_scores, run_episodes
from tests.agents.finished_run import CONFIG, changed

LONG = {"id": "lm_envs/NextWord-v0", "n_envs": 4, "kwargs": {"max_new_tokens": 24}}


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
    assert list(found) == [BEAM, FREQUENT_BEAM, MINIMUM_RISK, BEST]
    assert [name for name, family in found.items() if family.uses_reward] == [BEST]
    env = {"id": "lm_envs/StructureSearch-v0", "n_envs": 2, "kwargs": {"passages": 2}}
    tuning = Environments(changed(env=CONFIG.env.model_validate(env)))
    names = [family.name for family in searches(tuning, "test")]
    assert names == ["constant settings, by evolution", "the same plan, by forward selection"]


def test_a_beam_can_be_kept_from_repeating_pairs_of_tokens():
    environments = Environments(changed(env=CONFIG.env.model_validate(LONG)))
    run = searches(environments, "test")[0].run
    free, kept = (
        mean_scores(run(environments, "test", np.arange(8), [4, size, 0.0], 0)) for size in (0, 2)
    )
    assert kept["repetition"] == 0.0 < free["repetition"]


def test_the_most_typical_of_16_samples_exceeds_one_sample():
    copying = {"kind": "top_k", "k": 8, "copies": 8}
    env = {"id": "lm_envs/Translation-v0", "n_envs": 32, "kwargs": {"actions": copying}}
    environments = Environments(changed(env=CONFIG.env.model_validate(env)))
    family = next(f for f in searches(environments, "test") if f.name == MINIMUM_RISK)
    indices = np.arange(16)
    typical = mean_scores(family.run(environments, "test", indices, [0.7, 0.2, 0.0], 0))["reward"]
    drawn = run_episodes(environments.get("test"), sampling(0.7, 0), indices.repeat(4))
    assert typical > mean_scores(drawn)["reward"]


def test_typical_texts_are_longer_where_ends_are_less_likely():
    run = {family.name: family.run for family in searches(Environments(CONFIG), "test")}
    soon, late = (
        run[MINIMUM_RISK](Environments(CONFIG), "test", np.arange(4), [1.0, 0.0, delay], 0)
        for delay in (-20.0, 20.0)
    )
    assert max(len(each.tokens) for each in soon) < min(len(each.tokens) for each in late)
