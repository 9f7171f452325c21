import pydantic
import pytest
from stable_baselines3 import PPO

from agents.algorithms.ars import RandomSearch
from agents.config import train
from agents.config.parameters import init_parameters


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
