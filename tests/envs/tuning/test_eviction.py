"""Evictions: what an action evicts, what counts, and what rules do."""

import numpy as np
import pytest

from lm_envs.envs.tuning.cache_entries import HEADS, NAMES
from tests.envs.tuning.helpers import make_one, make_rows

SIZE = 8


@pytest.fixture
def text(tmp_path):
    """A file with one text of validation."""

    def write(words):
        path = tmp_path / "texts.jsonl"
        path.write_text(f'{{"text": "{words}", "split": "validation"}}\n')
        return {"dataset": str(path), "split": "validation", "adjustments": 64}

    return write


def play(env, action):
    """Observations, rewards and info of an episode with one action."""
    observation, _ = env.reset(options={"index": 0})
    observations, rewards, over = [observation], [], False
    while not over:
        observation, reward, terminated, truncated, info = env.step(action)
        observations.append(observation)
        rewards.append(reward)
        over = terminated or truncated
    return np.array(observations), rewards, info


def entry_column(env, observation, name):
    return observation[..., env.observation_space.columns[name]]


def test_an_episode_ends_before_the_last_token_which_is_only_predicted(text):
    env = make_one("CacheEviction", **text("The sun was over the hills, and the sea was calm."))
    passages = env.unwrapped.batch.passages(0)
    _, rewards, info = play(env, 0)
    assert len(rewards) == len(passages.tokens[0]) - SIZE - 1
    assert info["ending"] == "complete"


def test_actions_count_entries_from_the_oldest():
    """A window has neighbors; without the newest entry the first tokens stay for ever."""
    env = make_one("CacheEviction", adjustments=5)
    window, _, _ = play(env, 0)
    ages = np.expm1(entry_column(env, window[-1], "log_age"))
    np.testing.assert_allclose(ages, np.arange(SIZE)[::-1], atol=1e-4)
    stuck, _, _ = play(env, SIZE - 1)
    positions = np.expm1(entry_column(env, stuck[-1], "log_position"))
    np.testing.assert_allclose(positions, [*range(SIZE - 1), SIZE + 4], atol=1e-4)


def test_the_surprise_of_a_token_is_what_the_reward_was_computed_from():
    env = make_one("CacheEviction", prompt_tokens=4, adjustments=5)
    observations, rewards, info = play(env, 1)
    following = entry_column(env, observations, "next_surprise")[:, 0]
    newest = entry_column(env, observations, "surprise")[:, -1]
    np.testing.assert_allclose(newest[1:], following[:-1], rtol=1e-6)
    assert info["scores"]["loss"] == pytest.approx(following[1:].mean(), abs=1e-4)
    assert info["scores"]["loss_rise"] == pytest.approx(-np.mean(rewards), abs=1e-9)


def test_nothing_is_lost_if_what_is_evicted_repeats_what_stays(text):
    """The first evictions of a text of one repeated token cost less than those of prose."""
    env = make_one("CacheEviction", **text("the " * 40 + "sea"))
    _, repeated, _ = play(env, 3)
    _, prose, _ = play(make_one("CacheEviction", split="validation", adjustments=24), 3)
    assert np.abs(repeated[:24]).mean() < np.abs(prose).mean() / 2


def test_tokens_of_the_prompt_do_not_count():
    """The reference begins at token 16; token 8 is read first, and token 9 predicted."""
    env = make_one("CacheEviction", prompt_tokens=16, adjustments=12)
    _, rewards, _ = play(env, 0)
    assert rewards[:7] == [0.0] * 7
    assert all(rewards[7:])


def test_the_longer_the_cache_the_less_is_lost():
    losses = []
    for size in (4, 16, 64):
        env = make_rows("CacheEviction", 8, "disabled", cache_size=size, adjustments=16)
        env.reset(options={"index": list(range(8))})
        for _ in range(16):
            *_, infos = env.step(np.zeros(8, np.int64))
        losses.append(infos["scores"]["loss_rise"].mean())
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize(
    ("rule", "column"),
    [
        ("least attention now", "log_attention"),
        ("least attention so far", "log_mean_attention"),
    ],
)
def test_a_rule_evicts_the_entry_with_the_least_of_its_column(rule, column):
    env = make_rows("CacheEviction", 5)
    observations, _ = env.reset(seed=0)
    act = env.unwrapped.rule_policies()[rule]
    place = env.single_observation_space.columns[column]
    for _ in range(3):
        found = act()
        np.testing.assert_array_equal(found, observations[:, place].argmin(1))
        observations, *_ = env.step(found)


def test_windows_keep_the_first_tokens():
    plans = make_rows("CacheEviction", 1).unwrapped.tuner.plans
    assert {name: int(plan[0]) for name, plan in plans.items()} == {
        "window": 0,
        "window and first 1": 1,
        "window and first 4": 4,
    }
    assert (
        "window and first 4"
        not in make_rows("CacheEviction", 1, cache_size=4).unwrapped.tuner.plans
    )


def test_columns_stand_in_the_order_of_their_names():
    columns = make_one("CacheEviction").observation_space.columns
    assert tuple(columns) == (*NAMES, "next_surprise", "budget_left")


def test_the_heads_columns_have_the_recent_attention_as_their_mean():
    env = make_one("CacheEviction", by_head=True, adjustments=4)
    assert tuple(env.observation_space.columns) == (*NAMES, HEADS, "next_surprise", "budget_left")
    observations, _, _ = play(env, 2)
    heads = np.exp(entry_column(env, observations, HEADS)).reshape(len(observations), -1, SIZE)
    recent = np.exp(entry_column(env, observations, "log_recent_attention"))
    np.testing.assert_allclose(heads.mean(1), recent, atol=1e-4)
    assert heads.std(1).max() > 0.01


def test_by_head_changes_no_reward():
    options = {"adjustments": 6, "prompt_tokens": 4}
    _, without, _ = play(make_one("CacheEviction", **options), 2)
    _, shown, _ = play(make_one("CacheEviction", by_head=True, **options), 2)
    assert shown == without


def test_whole_attention_is_causal_and_does_not_depend_on_longer_texts():
    env = make_rows("CacheEviction", 3)
    env.reset(options={"index": [0, 1, 2]})
    tuner = env.unwrapped.tuner
    found = tuner.whole_attention([0, 1, 2])
    for row, attention in enumerate(found):
        assert len(attention) == len(env.unwrapped.passages(row).tokens[0])
        assert not np.triu(attention, 1).any()
        assert attention[0, 0] == 1.0
        np.testing.assert_allclose(tuner.whole_attention([row])[0], attention, atol=1e-6)
    assert len({len(attention) for attention in found}) > 1


def test_once_the_text_has_been_read_a_line_names_what_is_in_the_cache(text):
    env = make_one("CacheEviction", **text("The sun was over the hills, and the sea was calm."))
    tokens = env.unwrapped.batch.passages(0).tokens[0]
    *_, info = play(env, 0)
    *evicted, kept = info["text"].strip().split("\n")
    assert {line.split(" ")[0] for line in evicted} == {"without"}
    words = kept.removeprefix("in the cache: '").removesuffix("'").split("|")
    assert len(words) == SIZE
    assert "The sun was over the hills, and the sea was calm.".endswith("".join(words) + ".")
    assert len(evicted) == len(tokens) - SIZE - 1


def test_all_actions_are_valid():
    env = make_rows("CacheEviction", 3)
    assert env.unwrapped.action_masks().shape == (3, SIZE)
    assert env.unwrapped.action_masks().all()


def test_actions_that_are_no_entry_are_refused():
    env = make_one("CacheEviction")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"Got action 8 in row 0; allowed: 0 to 7, an entry"):
        env.unwrapped.step(8)
