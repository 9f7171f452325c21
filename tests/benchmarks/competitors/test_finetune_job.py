import numpy as np
import pytest

from benchmarks.competitors.finetune_job import PROMPT, Outcome, prompts_of, share_of_vowels
from benchmarks.subjects import finetune
from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer

OURS = Outcome([1.0] * 3, [3.0] * 3, written=100, words=100)


def test_a_round_that_learned_from_few_words_is_extrapolated():
    few = Outcome([2.0], [1.0], written=100, words=5)
    assert few.rounds == [22.0]
    assert Outcome([], [7.0], written=100, words=100).rounds == [7.0]


def test_a_contestant_that_learns_from_few_words_is_compared_in_total_and_in_parts():
    few = Outcome([2.0] * 3, [3.0] * 3, written=100, words=10)
    row = finetune.comparison(OURS, few)
    assert row["speedup"] == pytest.approx(32 / 4)
    assert row["writing_speedup"] == pytest.approx(2)
    assert row["learning_speedup"] == pytest.approx(10)
    assert row["note"] == "learned from 10 words of 100, the rest extrapolated"


def test_a_contestant_that_writes_less_is_compared_by_its_learning_alone():
    row = finetune.comparison(OURS, Outcome([9.0] * 3, [3.0] * 3, written=10, words=10))
    assert row["speedup"] == pytest.approx(10)
    assert row["note"] == "10 words of 100; speedup of learning alone"
    assert "writing_speedup" not in row


def test_what_cannot_be_told_apart_is_compared_in_total():
    row = finetune.comparison(OURS, Outcome([], [8.0] * 3, written=100, words=100))
    assert row == {"speedup": pytest.approx(2)}


def test_noise_in_one_part_leaves_that_part_open():
    noisy = Outcome([2.0] * 3, [1.0, 3.0, 9.0], written=100, words=100)
    row = finetune.comparison(OURS, noisy)
    assert row["writing_speedup"] == pytest.approx(2)
    assert row["speedup"] is row["learning_speedup"] is None


def test_prompts_are_whole_and_read_back_the_same():
    folder = loading.locate("embedded")
    prompts, tokenizer = prompts_of(folder, 8), Tokenizer.from_folder(folder)
    assert prompts.shape == (8, PROMPT)
    for prompt in prompts:
        np.testing.assert_array_equal(tokenizer.encode(tokenizer.decode(prompt)), prompt)


def test_the_cheap_reward_varies_and_survives_an_empty_text():
    assert share_of_vowels(["aeio", "rhythm", "cake", ""]) == [1.0, 0.0, 0.5, 0.0]
