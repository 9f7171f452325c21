"""The options and seeds of `reset`."""

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.envs.reset_options import seeds_for_rows, selected_indices
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


def test_row_i_gets_the_seed_plus_i_or_the_one_of_a_list():
    assert seeds_for_rows(5, 3).tolist() == [5, 6, 7]
    assert seeds_for_rows(None, 2).tolist() == [None, None]
    assert seeds_for_rows([3, None], 2).tolist() == [3, None]
    assert seeds_for_rows(np.array([3, 9]), 2).tolist() == [3, 9]


def test_without_options_all_rows_draw_their_examples():
    assert selected_indices({}, 3, 10) == ([0, 1, 2], [None] * 3)


def test_an_index_applies_to_the_rows_of_the_mask_only():
    mask = np.array([True, False, True])
    rows, indices = selected_indices({"reset_mask": mask, "index": [4, 99, 6]}, 3, 10)
    assert (rows, indices) == ([0, 2], [4, 6])


def test_numpy_integers_are_indices_and_booleans_are_not():
    assert selected_indices({"index": np.int64(4)}, 1, 10) == ([0], [4])
    for index in (True, 1.0, "1", -1, 10):
        with pytest.raises(ValueError, match="for row 0; allowed: 0 to 9"):
            selected_indices({"index": index}, 1, 10)


def test_a_mask_that_is_no_bool_array_is_refused():
    for mask in ([True], np.ones(1), 1):
        with pytest.raises(TypeError, match=r"Got reset_mask of type .*; allowed: a bool array"):
            selected_indices({"reset_mask": mask}, 1, 10)
