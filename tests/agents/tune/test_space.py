"""The search space: ranges by key, checked before anything starts."""

import pytest

from agents.config.loading import UserError
from agents.tune.space import Range, read_space, value_at, with_values
from tests.agents.tune.small_study import KEY, SEARCH, small

RATE = "algorithm.kwargs.learning_rate"
ENT = {"low": 0.0, "high": 0.1}


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (None, r"Got search=None; allowed: ranges by key"),
        ({"algorithm.kwargs.n_stepz": {"choices": [1, 2]}}, "unknown argument 'n_stepz'"),
        ({"algorithm.nothing": {"choices": [1, 2]}}, "unknown key 'algorithm.nothing' in search"),
        ({"seed": {"choices": [1, 2]}}, "Got search.seed; allowed: keys of algorithm"),
        ({"evaluation.split": {"choices": ["test", "train"]}}, "Got search.evaluation.split;"),
        ({"env.kwargs.rewards": {"choices": [{}, {"chrf": 1.0}]}}, "Got search.env.kwargs.rewards"),
        ({KEY: [16, 32]}, "which is no range; allowed: {low"),
        ({KEY: {"choices": [16]}}, "no list of two or more"),
        ({KEY: {"low": 8, "high": 4}}, "low is not below high"),
        ({KEY: {"low": 0, "high": 4, "log": True}}, "not above 0 with log"),
        ({KEY: {"low": 8, "high": 32, "step": 8}}, "with 'step'"),
        ({KEY: {"low": 8, "high": 32.5}}, r"n_steps=32.5 in search; .*a whole number"),
        ({KEY: {"choices": [16, "many"]}}, r"n_steps='many' in search"),
        ({KEY: {"low": 8, "high": 32, "linear": True}}, "belongs to a learning rate"),
        ({RATE: {"low": "1e-4", "high": 1.0}}, r"'1e-4' is text in YAML: write 3.0e-4"),
        ({RATE: {"low": 1e-4, "high": 1e-2}}, r"own value 'lin_1.0e-3'.*Add linear: true"),
        ({KEY: {"choices": [32, 64]}}, "without the configuration's own value 16"),
        ({"algorithm.kwargs.ent_coef": ENT}, "does not set algorithm.kwargs.ent_coef; set it"),
    ],
)
def test_a_wrong_search_space_is_refused_in_one_line(search, message):
    with pytest.raises(UserError, match=message) as error:
        read_space(small(), search)
    assert "\n" not in str(error.value)


def test_the_configuration_itself_can_be_drawn():
    space = read_space(small(), SEARCH)
    own = space.own_values()
    assert own == {RATE: 0.001, KEY: "16"}
    assert float(space.to_values(own)[RATE].removeprefix("lin_")) == 0.001
    assert space.to_values(own)[KEY] == 16


@pytest.mark.parametrize("value", [1e-05, "lin_1e-05", [64], {"a": 1}, True])
def test_values_arrive_as_they_are(value):
    """Regression: as the text of --set, YAML would read 1e-05 as a text."""
    base = small().model_dump()
    key = {float: RATE, str: RATE}.get(type(value), "env.kwargs.rewards")
    changed = with_values(base, {key: value}, "search").model_dump()
    assert value_at(changed, key) == value
    assert base == small().model_dump()


def test_two_whole_ends_mean_whole_numbers():
    assert Range(2, 8).to_drawn(3) == 3
    assert Range(2, 8).to_drawn(3.5) is None
    assert Range(2.0, 8.0).to_drawn(3.5) == 3.5
