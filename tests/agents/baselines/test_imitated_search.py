import gymnasium as gym
import numpy as np
import pytest

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.baselines.cloning import imitate
from agents.baselines.families import Environments, Family, by_policy, grid
from agents.baselines.imitated_search import (
    Episode,
    changed,
    choices,
    episodes,
    imitated_search,
    replayed,
    rule_policies,
    search,
    searched,
)
from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.registry import families
from agents.baselines.rules.simultaneous.confidence import NAME, confident
from agents.config.loading import UserError
from agents.evaluation.rollouts import mean_scores, run_placed_episodes
from lm_envs.envs.actions.read_write import READ, WRITE
from tests.agents.finished_run import CONFIG
from tests.agents.finished_run import changed as with_keys

INTERPRETING = {
    "id": "lm_envs/Translation-v0",
    "n_envs": 8,
    "split": "validation[90%:]",
    "kwargs": {"mode": "simultaneous"},
}
REMOVING = {
    "id": "lm_envs/StructureSearch-v0",
    "n_envs": 4,
    "split": "validation",
    "kwargs": {"passages": 2, "adjustments": 1},
}


def run_of(env):
    return with_keys(env=CONFIG.env.model_validate(env))


def examples_of(env, count):
    return LearnedExamples(Environments(run_of(env)).get(env["split"]), np.arange(count))


def rewards(found):
    return np.array([episode.reward for episode in found])


def test_the_search_finds_the_best_part_to_remove():
    examples = examples_of(REMOVING, 2)
    parts = range(examples.env.single_action_space.n)
    tried = [episodes(examples, replayed([[np.array(part)]] * 2)) for part in parts]
    best = np.max([rewards(found) for found in tried], axis=0)
    found = search(examples, [lambda env, seen: np.zeros(env.num_envs, int)], (0, 200))
    assert rewards(found[0]).tolist() == [0.0, 0.0]
    assert rewards(found[200]).tolist() == best.tolist()
    assert best.min() > 0.0


def test_a_schedule_that_was_found_earns_the_same_again():
    examples = examples_of(INTERPRETING, 12)
    found = search(examples, [confident(0.5, 2), confident(0.9, 4)], (0, 10))
    assert rewards(found[10]).mean() > rewards(found[0]).mean()
    again = episodes(examples, replayed([episode.actions for episode in found[10]]))
    assert rewards(again).tolist() == rewards(found[10]).tolist()
    others = [episode.actions for episode in found[10][::-1]]
    assert rewards(episodes(examples, replayed(others))).tolist() != rewards(found[10]).tolist()


def test_plans_of_a_file_are_played_in_place_of_a_search(tmp_path):
    """Regression: each run searched again, for an hour where examples are many."""
    path = tmp_path / "new" / "plans.npz"
    environments = Environments(run_of(INTERPRETING))
    examples = examples_of(INTERPRETING, 12)
    config = environments.config.model_copy(update={"clone_plans": str(path)})
    calls = []

    def rule(setting, seed):
        calls.append(setting)
        return confident(setting, 3)

    family = Family("rule", grid(0.5, 0.9), by_policy(rule))
    first = searched(config, family, environments, examples, (0, 4))
    assert calls == [0.5, 0.9]
    again = searched(config, family, environments, examples, (0, 4))
    assert len(calls) == 2
    for after in (0, 4):
        assert rewards(again[after]).tolist() == rewards(first[after]).tolist()
        for one, other in zip(choices(first[after])[:2], choices(again[after])[:2], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("env", "count"), [({"rewards": {"chrf": 1.0}}, 12), ({"rewards": {"chrf": 0.9}}, 11)]
)
def test_plans_of_another_environment_or_of_other_examples_are_refused(tmp_path, env, count):
    path = tmp_path / "plans.npz"
    config = run_of(INTERPRETING).model_copy(update={"clone_plans": str(path)})
    family = Family("rule", grid(0.5), by_policy(lambda setting, seed: confident(setting, 3)))
    searched(config, family, Environments(config), examples_of(INTERPRETING, 12), (0,))
    kwargs = {"mode": "simultaneous", **env}
    other = examples_of({**INTERPRETING, "kwargs": kwargs}, count)
    with pytest.raises(UserError, match=r"Got clone_plans=.* do not earn what they earned"):
        searched(config, family, Environments(config), other, (0,))


def test_the_search_begins_with_the_best_setting_for_each_example():
    examples = examples_of(INTERPRETING, 12)
    starts = [confident(0.5, 2), confident(0.9, 4)]
    alone = [rewards(search(examples, [start], (0,))[0]) for start in starts]
    both = rewards(search(examples, starts, (0,))[0])
    assert both.tolist() == np.max(alone, axis=0).tolist()
    assert both.mean() > max(each.mean() for each in alone)


@pytest.mark.parametrize("count", [2, 7])
def test_a_changed_plan_has_another_action_or_one_more(count):
    rng, space = np.random.default_rng(0), gym.spaces.Discrete(count)
    plan = [np.array(action) for action in (0, 1, 1, 0)]
    for _ in range(200):
        new = changed(plan, space, rng)
        assert [int(action) for action in new] != [0, 1, 1, 0]
        assert 4 <= len(new) <= 6
        assert all(space.contains(np.int64(action)) for action in new)
    assert plan == [0, 1, 1, 0]


def test_a_continuous_action_moves_within_its_bounds():
    rng, space = np.random.default_rng(0), gym.spaces.Box(-1.0, 1.0, (3,))
    plan = [np.full(3, value, np.float32) for value in (0.9, -0.9)]
    for _ in range(50):
        new = changed(plan, space, rng)
        assert all(space.contains(action) for action in new)
        assert any((a != b).any() for a, b in zip(new, plan, strict=True))


def test_a_plan_leaves_out_what_is_not_valid_and_repeats_its_end():
    env = examples_of(INTERPRETING, 1).env
    taken = []
    plan = replayed([[np.array(READ)] * 99 + [np.array(WRITE)]])

    def act(env, seen, places):
        actions = plan(env, seen, places)
        taken.append(int(actions[0]))
        return actions

    run_placed_episodes(env, act, np.arange(1))
    source = taken.index(WRITE)
    assert 0 < source < 99
    assert taken == [READ] * source + [WRITE] * (len(taken) - source)


def test_steps_without_a_choice_are_not_imitated():
    masks = [np.array([True, True]), np.array([False, True])]
    episode = Episode([np.zeros((1, 3)), np.ones((1, 3))], [np.array(0), np.array(1)], masks)
    observations, actions, kept = choices([episode])
    assert observations.tolist() == [[0.0, 0.0, 0.0]]
    assert actions.tolist() == [0]
    assert kept.tolist() == [[True, True]]


def test_the_network_learns_schedules_that_earn_more_than_the_rule():
    run = run_of(INTERPRETING | {"split": "validation[:60%]"})
    environments, judged = Environments(run), np.arange(40)
    settings = grid([0.1, 2], [0.5, 2], [0.95, 2], [0.95, 8])
    rule = Family(NAME, settings, by_policy(lambda pair, seed: confident(*pair)))
    clone = imitated_search(run, rule, rounds=(0,)).run(
        environments, "validation[60%:]", judged, [0, 32], 0
    )
    first = rule.run(environments, "validation[60%:]", judged, [0.1, 2], 0)
    assert mean_scores(clone)["reward"] > mean_scores(first)["reward"] + 0.05


def test_a_new_agent_imitates_what_the_search_found():
    run = run_of(INTERPRETING).model_copy(update={"clone_epochs": 40})
    environments = Environments(run)
    rule = Family(NAME, grid([0.5, 2]), by_policy(lambda pair, seed: confident(*pair)))
    losses = imitate(
        environments,
        make_algorithm(run, make_training_env(run), None),
        imitated_search(run, rule, rounds=(0,)),
    )
    assert len(losses) == 40
    assert losses[-1] < 0.8 * losses[0]


def test_the_search_begins_with_all_settings_of_a_rule():
    environments = Environments(run_of(INTERPRETING))
    found = {family.name: family for family in families(environments, "validation")}
    assert len(rule_policies(found[NAME], environments)) == 80
