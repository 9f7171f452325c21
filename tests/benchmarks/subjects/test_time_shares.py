import sys
import time
from importlib import import_module

import numpy as np
import pytest

from benchmarks.subjects import time_shares
from lm_envs.model import loading
from lm_envs.model.engine import Engine
from lm_envs.tasks.rewards import text_scores


@pytest.fixture
def engine():
    network = loading.load(loading.locate("embedded"), "cpu", "float32")
    return Engine(network, 2, capacity=16, num_candidates=4, end_token=0)


def parts_during(call):
    """The parts of all Python calls during one call."""
    seen = []

    def watch(frame, event, _):
        seen.append(time_shares.part_of(frame))

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return set(seen)


def test_decoding_consists_of_the_parts_of_the_model(engine):
    engine.prefill(np.arange(2), [np.array([1, 2]), np.array([3])])
    parts = parts_during(lambda: engine.decode(np.array([4, 5])))
    assert {"products", "attention", "top_tokens", "rest_of_model"} <= parts
    assert not parts & {"prompts", "lines", "reward", "observation", "text"}


def test_model_calls_for_a_prompt_or_a_line_count_as_prompt_or_line(engine):
    prompts = [np.array([1, 2]), np.array([3])]
    assert "prompts" in parts_during(lambda: engine.prefill(np.arange(2), prompts))
    parts = parts_during(lambda: engine.extend_scored(np.arange(2), prompts))
    assert "lines" in parts
    assert not parts & {"products", "attention", "prompts"}


def test_scores_count_as_reward():
    assert "reward" in parts_during(lambda: text_scores.chrf("a b", ["a c"]))


def test_sampled_seconds_are_those_of_the_block():
    with time_shares.sampled() as seconds:
        start = time.perf_counter()
        while time.perf_counter() - start < 0.05:
            pass
    assert set(seconds) == {time_shares.REST}
    assert 0 < seconds[time_shares.REST] <= time.perf_counter() - start


def test_shares_sum_to_1():
    row = time_shares.measure_shares("lm_envs/NextWord-v0", "embedded", 2, "float32", 1)
    assert sum(row[part] for part in time_shares.PARTS) == pytest.approx(1)
    assert row["products"] > row["lines"] == 0


@pytest.mark.parametrize(
    "prefix",
    [
        each
        for prefixes in (*time_shares.OUTER.values(), *time_shares.INNER.values())
        for each in prefixes
    ],
)
def test_every_prefix_names_code_that_exists(prefix):
    """A function that is renamed would silently count as another part."""
    module, _, name = prefix.partition(":")
    owner = import_module(module.rstrip("."))
    if name:
        class_name, _, method = name.partition(".")
        found = getattr(owner, class_name)
        assert any(each.startswith(method) for each in dir(found))


def test_environment_that_generates_nothing_is_refused():
    with pytest.raises(ValueError, match="Got env='lm_envs/WeightTuning-v0'; allowed: 'lm_envs/N"):
        time_shares.run("embedded", ids=["lm_envs/WeightTuning-v0"])
