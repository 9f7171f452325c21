import gymnasium as gym
import numpy as np

import lm_envs
from agents.baselines.constant_settings import constant_settings, evolved, forward_selection
from agents.baselines.families import Environments, tuned
from agents.evaluation.rollouts import mean_scores, run_episodes
from tests.agents.finished_run import CONFIG, changed

gym.register_envs(lm_envs)


def make(name, **kwargs):
    arguments = {"num_envs": 2, "passages": 2, "autoreset_mode": "disabled"} | kwargs
    return gym.make_vec(f"lm_envs/{name}-v0", **arguments).unwrapped


def test_parts_are_removed_by_preference_then_the_episode_ends():
    env = make("StructureSearch")
    point = [-1.0] * (env.single_action_space.n - 1)
    point[-2], point[-4] = 0.9, 0.7
    (text,) = run_episodes(env, constant_settings(point), np.array([0]))
    expected = [env.tuner.action_names[-2], env.tuner.action_names[-4], "stop"]
    taken = [part.split(":")[0].strip() for part in text.token_texts]
    assert taken == [name.replace("remove", "without") for name in expected]


def test_the_middle_leaves_the_structure_as_it_is():
    env = make("StructureSearch")
    middle = [0.0] * (env.single_action_space.n - 1)
    (text,) = run_episodes(env, constant_settings(middle), np.array([0]))
    assert text.token_texts == ("stop\n",)


def test_training_stops_after_the_share_of_the_budget():
    env = make("TrainingControl", adjustments=4)
    for share, steps in ((-1.0, 1), (0.0, 3)):  # the step that stops counts
        point = [share, *[-1.0] * (env.single_action_space.shape[0] - 1)]
        (text,) = run_episodes(env, constant_settings(point), np.array([0]))
        assert len(text.token_texts) == steps


def test_evolution_lowers_the_loss_of_passages_that_it_did_not_see():
    env = {"id": "lm_envs/WeightTuning-v0", "n_envs": 4, "kwargs": {"passages": 2}}
    env["kwargs"]["adjustments"] = 3
    environments = Environments(changed(env=CONFIG.env.model_validate(env)))
    rows = environments.get("test")
    family = evolved(rows)
    found = tuned(family, environments, "validation", np.arange(2))
    assert len(found.trials) == 120
    written = family.run(environments, "test", np.arange(4), found.setting, 0)
    assert mean_scores(written)["reward"] > 0.05


def test_forward_selection_stops_at_the_plan_that_no_action_improves():
    env = {"id": "lm_envs/StructureSearch-v0", "n_envs": 4}
    env["kwargs"] = {"passages": 2, "adjustments": 4}
    environments = Environments(changed(env=CONFIG.env.model_validate(env)))
    rows = environments.get("test")
    family, gains = forward_selection(rows), {1: 0.2, 3: 0.5, 7: -0.1}
    trials = family.search(lambda plan: sum(gains.get(action, -1.0) for action in plan))
    assert max(trials, key=lambda trial: trial[1]) == ([3, 1], 0.7)
    written = family.run(environments, "test", np.arange(3), [3, 1], 0)
    assert [text.token_texts[-1] for text in written] == ["stop\n"] * 3
    assert [len(text.token_texts) for text in written] == [3] * 3


def test_forward_selection_ends_after_all_actions_of_a_larger_budget():
    env = {"id": "lm_envs/StructureSearch-v0", "n_envs": 2}
    env["kwargs"] = {"passages": 2, "adjustments": 99}
    rows = Environments(changed(env=CONFIG.env.model_validate(env))).get("test")
    best, _ = max(forward_selection(rows).search(len), key=lambda trial: trial[1])
    assert sorted(best) == list(range(1, rows.single_action_space.n))
