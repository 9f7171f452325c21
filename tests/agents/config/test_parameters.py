import inspect
import re

import pydantic
import pytest
from stable_baselines3 import PPO

from agents.algorithms.ars import RandomSearch
from agents.config import train
from agents.config.parameters import check_arguments, init_parameters


class Base:
    def __init__(self, rate, *, size=1):
        pass


class Passing(Base):
    def __init__(self, extra=0, **kwargs):
        super().__init__(**kwargs)


class Closed(Base):
    def __init__(self, rate):
        super().__init__(rate)


class Silent(Passing):
    pass


class WarmPPO(PPO):
    """A subclass that passes its arguments on."""

    def __init__(self, *args, warmth=0.0, **kwargs):
        super().__init__(*args, **kwargs)


def test_arguments_behind_kwargs_are_found_in_the_base_class():
    assert init_parameters(Passing) == init_parameters(Silent) == {"extra", "rate", "size"}


def test_a_constructor_without_kwargs_hides_those_of_its_base():
    assert init_parameters(Closed) == {"rate"}


def test_algorithms_have_their_own_arguments():
    assert "n_delta" in init_parameters(RandomSearch)
    assert {"learning_rate", "n_steps"} < init_parameters(PPO)
    assert "self" not in init_parameters(PPO)


def test_arguments_of_a_subclassed_algorithm_are_known(monkeypatch):
    """Regression: arguments behind `**kwargs` were refused."""
    monkeypatch.setitem(train.ALGORITHMS, "WarmPPO", train.Algorithm(WarmPPO, "both"))
    train.AlgorithmConfig(name="WarmPPO", kwargs={"warmth": 1.0, "n_steps": 8})
    with pytest.raises(pydantic.ValidationError, match="unknown argument 'n_step'"):
        train.AlgorithmConfig(name="WarmPPO", kwargs={"n_step": 8})


@pytest.mark.parametrize("name", list(train.ALGORITHMS))
def test_the_defaults_of_every_algorithm_fit(name):
    kind = train.ALGORITHMS[name].kind
    parameters = {}
    for base in reversed(kind.__mro__):
        if "__init__" in vars(base):
            parameters |= inspect.signature(base.__init__).parameters
    defaults = {
        key: parameters[key].default
        for key in init_parameters(kind)
        if key in parameters and parameters[key].default is not inspect.Parameter.empty
    }
    check_arguments(kind, {key: v for key, v in defaults.items() if key != "learning_rate"})
    assert len(defaults) > 5


FITTING = [
    ("PPO", {"learning_rate": "lin_3.0e-4", "clip_range": 0.1, "target_kl": None, "gamma": 1}),
    ("SAC", {"ent_coef": "auto_0.1", "train_freq": [1, "step"], "gradient_steps": -1}),
    ("DQN", {"train_freq": [4, "step"], "policy_kwargs": {"net_arch": [8]}}),
    ("TabularQ", {"update": "double_q"}),
]


@pytest.mark.parametrize(("name", "kwargs"), FITTING)
def test_usual_values_fit(name, kwargs):
    assert train.AlgorithmConfig(name=name, kwargs=kwargs).kwargs == kwargs


WRONG = [
    ("PPO", "gamma", 2, "allowed: 0 to 1"),
    ("PPO", "gamma", -0.1, "allowed: 0 to 1"),
    ("PPO", "gamma", True, "allowed: a finite number"),
    ("PPO", "clip_range", -1, "allowed: a number above 0"),
    ("PPO", "clip_range", "lin_0.2", "allowed: a finite number"),
    ("PPO", "learning_rate", 0.0, "allowed: a number above 0"),
    ("PPO", "learning_rate", "lin_x", "allowed: a finite number, lin_3.0e-4"),
    ("PPO", "learning_rate", float("nan"), "allowed: a finite number"),
    ("PPO", "n_epochs", 10**20, "allowed: 1 to 1e"),
    ("PPO", "n_steps", 16.0, "allowed: a whole number"),
    ("PPO", "n_steps", 0, "allowed: 1 to 1e"),
    ("PPO", "batch_size", [32], "allowed: a whole number"),
    ("PPO", "vf_coef", {"a": 1}, "allowed: a finite number"),
    ("PPO", "gae_lambda", {}, "allowed: a finite number"),
    ("PPO", "max_grad_norm", "auto", "allowed: a finite number"),
    ("PPO", "device", {"a": 1}, "allowed: a text"),
    ("PPO", "policy_kwargs", [1], "allowed: keys with values, null"),
    ("PPO", "rollout_buffer_class", "os:system", "allowed: null"),
    ("DQN", "train_freq", [1, 2], "allowed: a whole number, a list such as"),
    ("SAC", "action_noise", "x", "allowed: null"),
    ("SAC", "buffer_size", 10**12, "allowed: 1 to 1e"),
    ("TabularQ", "update", "sarsa", "allowed: 'q', 'double_q', 'expected_sarsa'"),
]


@pytest.mark.parametrize(("name", "key", "value", "message"), WRONG)
def test_values_of_another_type_or_out_of_range_are_refused_by_key(name, key, value, message):
    """Regression: tracebacks from inside Stable-Baselines3, or runs that made no sense."""
    with pytest.raises(pydantic.ValidationError, match=re.escape(message)) as refusal:
        train.AlgorithmConfig(name=name, kwargs={key: value})
    assert refusal.value.errors()[0]["ctx"]["error"].key == key
