"""The cross-entropy of a reference under a completion, on a model whose numbers are known."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs  # noqa: F401 - registers the ids
from lm_envs.tasks.rewards.model_scores import MODEL_SHARE, cross_entropy
from lm_envs.tasks.rewards.token_scores import WORST_LOGPROB
from tests.tasks.rewards.helpers import make_completions

PARTS = {
    "lm_envs/Paraphrase-v0": {},
    "lm_envs/Translation-v0": {"pair": "en-fr"},
    "lm_envs/QuestionAnswering-v0": {"mode": "extractive"},
    "lm_envs/NextWord-v0": {},
}


class Halves:
    """A model that gives every token probability 1/2."""

    longest = 100

    def next_token_logprobs(self, sequences, tokens):
        assert [len(s) for s in sequences] == [len(t) for t in tokens]
        return [np.full(len(sequence), np.log(0.5)) for sequence in sequences]


def completions_of(tokens, reference, model):
    from dataclasses import replace

    made = make_completions([tokens], references=[reference])
    return replace(made, prompt_tokens=[np.array([7, 8])], model=model)


@pytest.mark.parametrize(("tokens", "hits"), [([1, 2], 2), ([1, 3], 1), ([1], 1), ([5, 6, 7], 0)])
def test_the_score_is_the_formula(tokens, hits):
    found = cross_entropy(completions_of(tokens, [1, 2], Halves()), np.array([0]))
    hit = 1 - np.log(1 - MODEL_SHARE + MODEL_SHARE / 2) / WORST_LOGPROB
    miss = 1 - np.log(MODEL_SHARE / 2) / WORST_LOGPROB
    num_misses = min(len(tokens), 2) - hits
    assert found[0] == pytest.approx((hits * hit + num_misses * miss) / 2, abs=1e-4)


@pytest.mark.parametrize(("tokens", "reference"), [([], [1, 2]), ([1, 2], [])])
def test_without_a_completion_or_a_reference_the_score_is_zero(tokens, reference):
    assert cross_entropy(completions_of(tokens, reference, Halves()), np.array([0])) == [0.0]


@pytest.mark.parametrize("env_id", PARTS)
def test_the_reference_scores_highest(env_id):
    """Of reference, source, nothing, another's reference, and the reference with one other token.

    Regression: copying the source scored higher than the target in most test examples.
    """
    options = PARTS[env_id] | {"rewards": {"cross_entropy": 1.0}, "split": "test"}
    env = gym.make_vec(env_id, num_envs=5, actions="vocabulary", **options).unwrapped
    others = np.random.default_rng(0)
    for index in range(0, env.num_examples, max(1, env.num_examples // 12)):
        example = env.task.example(index)
        reference = example.reference
        near = reference.copy()
        near[others.integers(len(near))] += 1
        foreign = env.task.example((index + 1) % env.num_examples).reference
        drafts = [reference, example.prompt, reference[:0], foreign, near]
        env.reset(options={"index": index})
        for row, draft in enumerate(drafts):
            size = min(len(draft), env.task.max_new_tokens)
            env.episodes.tokens[row, :size] = draft[:size]
            env.episodes.counts[row] = size
        scores = cross_entropy(env.episodes.completions, np.arange(5))
        distinct = [r for r, d in enumerate(drafts) if not np.array_equal(d, reference)]
        assert scores[0] > scores[distinct].max()
        assert scores[2] == 0.0
