import sys

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
    """The parts of all calls that happen below one."""
    seen = []

    def watch(frame, event, _):
        seen.append(time_shares.part_of(frame))

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return set(seen)


def test_a_step_of_the_engine_is_made_of_the_parts_of_the_model(engine):
    engine.prefill(np.arange(2), [np.array([1, 2]), np.array([3])])
    parts = parts_during(lambda: engine.decode(np.array([4, 5])))
    assert {"products", "attention", "top_tokens", "rest_of_model"} <= parts
    assert not parts & {"prompts", "lines", "reward", "observation", "text"}


def test_whatever_is_read_for_a_prompt_or_a_line_is_charged_to_it(engine):
    prompts = [np.array([1, 2]), np.array([3])]
    assert "prompts" in parts_during(lambda: engine.prefill(np.arange(2), prompts))
    parts = parts_during(lambda: engine.extend_scored(np.arange(2), prompts))
    assert "lines" in parts
    assert not parts & {"products", "attention", "prompts"}


def test_a_score_belongs_to_the_reward():
    assert "reward" in parts_during(lambda: text_scores.chrf("a b", ["a c"]))


def test_all_the_time_of_a_block_is_charged_to_some_part():
    with time_shares.sampled() as seconds:
        start = time_shares.time.perf_counter()
        while time_shares.time.perf_counter() - start < 0.05:
            pass
    assert set(seconds) == {time_shares.REST}
    assert 0 < seconds[time_shares.REST] <= time_shares.time.perf_counter() - start


def test_shares_of_an_id_add_up():
    row = time_shares.index_row("lm_envs/NextWord-v0", "embedded", 2, "float32", 1)
    assert sum(row[part] for part in time_shares.PARTS) == pytest.approx(1)
    assert row["products"] > row["lines"] == 0
