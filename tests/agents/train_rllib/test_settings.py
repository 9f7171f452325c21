"""PPO's arguments in RLlib's words, and what has no counterpart there."""

import pytest

from agents.config.loading import UserError
from agents.config.train import AlgorithmConfig
from agents.train_rllib.settings import (
    DEFAULTS,
    check_settings,
    steps_per_update,
    training_arguments,
)
from tests.agents.finished_run import changed


def with_ppo(**kwargs):
    return changed(algorithm=AlgorithmConfig(name="PPO", kwargs=kwargs))


def test_defaults_are_those_of_stable_baselines3():
    import inspect

    from stable_baselines3 import PPO

    parameters = inspect.signature(PPO.__init__).parameters
    assert {name: parameters[name].default for name in DEFAULTS} == DEFAULTS


def test_rows_of_all_runners_fill_the_batch():
    config = with_ppo(n_steps=16, batch_size=32)
    assert steps_per_update(config, 3) == 16 * config.env.n_envs * 3
    found = training_arguments(config, 3)
    assert found["train_batch_size_per_learner"] == steps_per_update(config, 3)
    assert (found["minibatch_size"], found["num_epochs"]) == (32, 10)


def test_a_falling_learning_rate_goes_on_where_the_run_stopped():
    config = with_ppo(n_steps=16, batch_size=32, learning_rate="lin_1.0e-3")
    assert training_arguments(config, 1)["lr"] == [[0, 1e-3], [256, 0.0]]
    later = training_arguments(config, 1, done=192)["lr"]
    assert later == [[0, pytest.approx(0.25e-3)], [64, 0.0]]
    assert training_arguments(with_ppo(learning_rate=1e-4), 1, done=192)["lr"] == 1e-4


@pytest.mark.parametrize(
    ("config", "runners", "message"),
    [
        (with_ppo(n_steps=16, batch_size=16), 0, "Got --runners 0; allowed: 1 to"),
        (changed(algorithm=AlgorithmConfig(name="DQN")), 2, r"name='DQN'; allowed here: 'PPO'"),
        (changed(value_warm_up=64), 2, r"Got value_warm_up=64; allowed here: 0"),
        (changed(group_size=2), 2, r"Got group_size=2; allowed here: 1"),
        (with_ppo(target_kl=0.1), 2, r"kwargs\.target_kl, which RLlib's PPO has not"),
        (with_ppo(n_steps=2, batch_size=64), 2, r"batch_size=64; allowed: up to the 16 steps"),
    ],
)
def test_what_rllib_cannot_train_is_refused(config, runners, message):
    with pytest.raises(UserError, match=message):
        check_settings(config, runners)
