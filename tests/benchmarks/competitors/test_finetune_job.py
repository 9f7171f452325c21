import numpy as np

from benchmarks.competitors.finetune_job import (
    PROMPT,
    FinetuneResult,
    environment_prompts,
    share_of_vowels,
)
from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer


def test_round_that_learned_from_few_tokens_is_extrapolated():
    few = FinetuneResult([2.0], [1.0], num_generated=100, num_learned=5)
    assert few.round_s == [22.0]


def test_round_without_separate_halves_is_the_sum():
    assert FinetuneResult([], [7.0], num_generated=100, num_learned=100).round_s == [7.0]


def test_prompts_have_full_length_and_survive_decoding_and_encoding():
    folder = loading.locate("embedded")
    prompts, tokenizer = environment_prompts(folder, 8), Tokenizer.from_folder(folder)
    assert prompts.shape == (8, PROMPT)
    for prompt in prompts:
        np.testing.assert_array_equal(tokenizer.encode(tokenizer.decode(prompt)), prompt)


def test_share_of_vowels_varies_and_is_0_for_an_empty_text():
    assert share_of_vowels(["aeio", "rhythm", "cake", ""]) == [1.0, 0.0, 0.5, 0.0]
