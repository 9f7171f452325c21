"""The options and seeds of `reset`."""

import gymnasium as gym
import numpy as np
import pytest

from tests.envs.helpers import make, snapshot


def test_index_and_prompt_select_the_examples():
    env = make(2)
    env.reset(options={"index": np.array([5, 9])})
    first = snapshot(env)
    env.reset(options={"index": [9, 5]})
    assert snapshot(env) == first[::-1]
    env.reset(options={"prompt": ["Once upon a time", "今天天气"]})
    assert [t.prompt for t in env.transcripts] == ["Once upon a time", "今天天气"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ""}, "prompt '' for row 0; allowed: a text"),
        ({"prompt": "word " * 400}, r"Got a prompt of \d+ tokens for row 0; allowed: 23"),
        ({"index": 10**6}, "index 1000000 for row 0; allowed: 0 to"),
        ({"index": [1, 2]}, "Got 2 values of 'index'; allowed: one, or 4"),
        ({"index": 1, "prompt": "a"}, "both 'index' and 'prompt'"),
        ({"indx": 1}, r"reset options \['indx'\]; allowed: reset_mask, index, prompt"),
        ({"reset_mask": np.zeros(4, bool)}, "with 0 True"),
        ({"reset_mask": np.ones(3, bool)}, r"shape \(3,\) with 3 True"),
    ],
)
def test_bad_reset_options_are_refused_and_change_nothing(options, message):
    env = make()
    env.reset(seed=0)
    before = snapshot(env)
    with pytest.raises(ValueError, match=message):
        env.reset(options=options)
    assert snapshot(env) == before


@pytest.mark.parametrize("seed", [[1], -1, 1.5, "abcd", [0, 1, 2, "a"]])
def test_a_bad_seed_is_refused_and_changes_nothing(seed):
    env = make()
    env.reset(seed=0)
    before = env.get_state()["generators"]
    with pytest.raises(ValueError, match=r"Got seed=.*allowed: None, a whole number, 0 or more"):
        env.reset(seed=seed)
    assert env.get_state()["generators"] == before


def test_a_prompt_that_leaves_no_room_for_a_line_is_refused():
    env = gym.make("lm_envs/Translation-v0", actions="choices", prompt_tokens=60)
    longest = len(env.unwrapped.batch.tokenizer.encode("word " * 60))
    with pytest.raises(
        ValueError, match=rf"Got a prompt of {longest} tokens for row 0; allowed: 60"
    ):
        env.reset(options={"prompt": "word " * 60})
