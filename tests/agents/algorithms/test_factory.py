import gymnasium as gym
import pytest

from agents.algorithms.factory import (
    check_actions,
    make_algorithm,
    make_evaluation_env,
    make_training_env,
)
from agents.config.loading import UserError
from agents.config.train import ALGORITHMS, CONTINUOUS_KINDS
from lm_envs.envs.actions.factory import KINDS
from tests.agents.finished_run import CONFIG, changed


def config_of(algorithm, actions):
    env = CONFIG.env.model_copy(update={"kwargs": {"actions": actions}})
    named = CONFIG.algorithm.model_copy(update={"name": algorithm, "kwargs": {}})
    return changed(env=env, algorithm=named)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_is_told_which_actions_to_set(name):
    acts_on = ALGORITHMS[name].acts_on
    for actions, kind in (("top_k", "discrete"), ({"kind": "embedding"}, "continuous")):
        if acts_on in ("both", kind):
            check_actions(config_of(name, actions))
            continue
        remedy = {"discrete": "top_k", "continuous": "embedding"}[acts_on]
        with pytest.raises(UserError, match=rf"'{name}'.*set env\.kwargs\.actions: {remedy}"):
            check_actions(config_of(name, actions))


def test_continuous_kinds_are_those_with_a_box():
    boxes = [
        kind
        for kind in KINDS.keys() - {"choices", "read_write", "show_words"}  # are discrete
        if isinstance(make_training_env(config_of("PPO", kind)).action_space, gym.spaces.Box)
    ]
    assert tuple(boxes) == CONTINUOUS_KINDS


def rows_seeds(config):
    """Seeds of a run's rows when its algorithm begins to learn."""
    env = make_training_env(config)
    make_algorithm(config, env, None)
    env.reset()
    return env.vector_env.np_random_seed


def test_no_row_of_a_run_repeats_a_row_of_another_seed_or_name():
    runs = [changed(seed=seed, name=name) for name in ("one", "two") for seed in (0, 1, 2)]
    seeds = [seed for run in runs for seed in rows_seeds(run)]
    assert len(set(seeds)) == len(seeds) == 6 * CONFIG.env.n_envs


def test_the_seed_of_a_run_and_its_name_give_the_same_rows_again():
    assert rows_seeds(CONFIG) == rows_seeds(CONFIG)
    first, second = rows_seeds(CONFIG)[:2]
    assert second == first + 1  # Gymnasium's rule within the environment


@pytest.mark.parametrize(
    ("name", "kwargs", "env_kwargs", "expected"),
    [
        ("PPO", {}, {}, 0.99),
        ("DQN", {"gamma": 0.9, "buffer_size": 100}, {}, 0.9),
        ("PPO", {"gamma": 0.9}, {"gamma": 1.0}, 1.0),
        ("ARS", {}, {}, 1.0),
    ],
)
def test_the_environment_pays_differences_with_the_discount_of_the_agent(
    name, kwargs, env_kwargs, expected
):
    algorithm = CONFIG.algorithm.model_copy(update={"name": name, "kwargs": kwargs})
    env = CONFIG.env.model_copy(update={"kwargs": {**CONFIG.env.kwargs, **env_kwargs}})
    config = changed(algorithm=algorithm, env=env)
    rows = make_training_env(config)
    make_algorithm(config, rows, None)
    assert rows.vector_env.gamma == expected
    assert make_evaluation_env(config, "validation", 2).gamma == 1.0


def test_words_are_left_out_in_training_only():
    observation = {"kind": "words", "dropout": 0.9}
    env = CONFIG.env.model_copy(update={"kwargs": {"observation": observation}})
    run = changed(env=env)
    trained = make_training_env(run).reset()
    judged, _ = make_evaluation_env(run, "train", run.env.n_envs).reset(seed=0)
    assert (judged[:, :512] > 0).sum(1).min() > (trained[:, :512] > 0).sum(1).mean()


def test_words_behind_beliefs_are_left_out_in_training_only():
    path = "agents.observations.customer_beliefs:CustomerBeliefs"
    kwargs = {
        "customers": {"kind": "varied", "seed": 1, "size": 300},
        "observation": {"kind": "candidates", "features": [{"kind": path, "dropout": 0.7}]},
        "actions": {"kind": "choices", "scores": False, "reads": False},
    }
    env = {"id": "lm_envs/Dialogue-v0", "n_envs": 64, "kwargs": kwargs}
    run = changed(env=CONFIG.env.model_validate(env))
    rows = make_evaluation_env(run, "train", 64)
    judged, _ = rows.reset(seed=0)
    shown = rows.single_observation_space.columns["customer_beliefs"]
    trained = make_training_env(run).reset()
    assert judged[:, shown][:, :5].max(1).mean() > trained[:, shown][:, :5].max(1).mean() + 0.1


def test_an_option_of_another_observation_is_not_left_out():
    observation = {"kind": "hidden", "dropout": 0.9}
    env = CONFIG.env.model_copy(update={"kwargs": {"observation": observation}})
    with pytest.raises(ValueError, match="unknown option 'dropout' of observation 'hidden'"):
        make_evaluation_env(changed(env=env), "train", 1)


@pytest.mark.parametrize("device", ["cuda:99", "banana", 3])
def test_a_device_that_is_not_there_is_refused(device):
    """Stable-Baselines3 would train on the CPU without a word."""
    algorithm = CONFIG.algorithm.model_copy(update={"kwargs": {"device": device}})
    config = changed(algorithm=algorithm)
    with pytest.raises(ValueError, match=f"device='{device}', which is not available here"):
        make_algorithm(config, make_training_env(config), None)


def test_networks_are_on_the_cpu_unless_a_configuration_says_otherwise():
    assert make_algorithm(CONFIG, make_training_env(CONFIG), None).device.type == "cpu"
