"""Arguments of the id."""

import gymnasium as gym
import numpy as np
import pytest

from tests.envs.tuning.helpers import make_one, make_rows


def test_texts_that_are_too_short_are_counted(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text(
        '{"text": "A calm sea.", "split": "train"}\n'
        '{"text": "The sun was over the hills, and the sea was calm again.", "split": "train"}\n'
    )
    with pytest.warns(UserWarning, match=r"Left out 1 of 2 examples .* fewer than 10 tokens"):
        env = make_one("CacheEviction", dataset=str(path), split="train")
    assert env.unwrapped.batch.num_examples == 1


def test_a_cache_that_is_longer_than_all_texts_is_refused():
    with (
        pytest.warns(UserWarning, match="Left out 298 of 298"),
        pytest.raises(ValueError, match="with a reference and 202 tokens or more"),
    ):
        make_one("CacheEviction", split="validation", cache_size=200)


def test_several_passages_are_refused():
    with pytest.raises(ValueError, match="Got passages=4 for evictions"):
        make_rows("CacheEviction", passages=4)


def test_a_cache_of_one_entry_is_refused():
    with pytest.raises(ValueError, match="cache_size"):
        make_one("CacheEviction", cache_size=1)


def test_other_tasks_are_read_too():
    """A question, its context and the answer: only the answer counts."""
    env = gym.make(
        "lm_envs/CacheEviction-v0",
        task="question_answering",
        mode="extractive",
        split="validation",
        cache_size=8,
        prompt_tokens=96,
        max_new_tokens=16,
    )
    env.reset(options={"index": 0})
    tokens = env.unwrapped.batch.passages(0)
    steps = len(tokens.tokens[0]) - 8 - 1
    rewards = [env.step(0)[1] for _ in range(steps)]
    num_counted = int(tokens.sizes[0])
    assert rewards[:-num_counted] == [0.0] * (steps - num_counted)
    assert np.count_nonzero(rewards) > 0


def test_defaults_of_next_words_leave_out_no_example_of_another_task():
    """Regression: prompts of 16 tokens left 15 of 750 labels, without a word."""
    options = {"task": "classification", "split": "validation"}
    whole = make_rows("WeightTuning", 1, passages=1, **options).unwrapped.num_examples
    assert make_rows("CacheEviction", 1, **options).unwrapped.num_examples == whole > 700
