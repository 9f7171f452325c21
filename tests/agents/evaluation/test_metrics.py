"""What is measured of texts beside their scores."""

from dataclasses import replace

import numpy as np
import pytest

from agents.evaluation.metrics import corpus_measures, text_measures, zero_variance_share
from lm_envs.transcript import Transcript


def transcript(text="yes", reference="yes", tokens=(1, 2), logprobs=(-1.0, -3.0), reward=1.0):
    ids = np.array(tokens)
    return Transcript(
        prompt="?",
        text=text,
        reference=reference,
        prompt_tokens=np.array([9]),
        tokens=ids,
        logprobs=np.array(logprobs),
        rewards=np.zeros(len(ids)),
        token_texts=tuple("a" for _ in ids),
        ending="end_token",
        scores={"reward": reward},
    )


def test_each_text_is_measured_by_seed_and_prompt():
    measures = text_measures([[transcript(), transcript(tokens=(1, 2, 3), logprobs=(0, 0, -3))]])
    assert measures["tokens"].tolist() == [[2, 3]]
    assert measures["logprob"].tolist() == [[-2, -1]]


def test_tuning_episodes_have_steps_only():
    nothing = np.zeros(0, np.int64)
    adjusted = replace(transcript(), prompt_tokens=nothing, tokens=nothing, logprobs=np.zeros(0))
    measures = text_measures([[adjusted]])
    assert {name: values.tolist() for name, values in measures.items()} == {"steps": [[2]]}
    assert corpus_measures([[adjusted]]) == {}


def test_labels_are_measured_as_labels():
    texts = [transcript(" yes", "yes"), transcript("no", "yes"), transcript("no", "no")]
    measures = corpus_measures([[*texts, transcript("yes", "yes")]])
    assert measures["accuracy"] == pytest.approx(3 / 4)
    assert measures["precision"] == pytest.approx((1 + 1 / 2) / 2)
    assert "bleu" not in measures


def test_a_few_free_texts_are_no_labels():
    texts = [transcript(f"this is text number {n}", f"this is text number {n}") for n in range(9)]
    assert "bleu" in corpus_measures([texts])


def test_texts_are_measured_together():
    texts = [transcript(f"this is text number {n}", f"this is text number {n}") for n in range(25)]
    measures = corpus_measures([texts])
    assert measures["bleu"] == measures["chrf"] == pytest.approx(1.0)
    assert measures["perplexity"] == pytest.approx(np.exp(2))
    assert measures["distinct_2"] == pytest.approx(1 / 25)


def test_prompts_of_equal_rewards_are_counted():
    seeds = [[transcript(reward=1.0), transcript(reward=0.0)], [transcript(), transcript()]]
    assert zero_variance_share(seeds) == 0.5


def test_distinct_pairs_are_counted_over_equal_numbers_of_texts():
    """Regression: three seeds of an agent were three times as many texts as greedy decoding."""
    texts = [transcript(tokens=(n, n + 1)) for n in range(9)]
    one, three = (corpus_measures([texts] * count)["distinct_2"] for count in (1, 3))
    assert one == three == 1.0
