"""The oracle solves what can be solved."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.evaluation.baselines import oracle
from agents.evaluation.rollouts import run_episodes

gym.register_envs(lm_envs)


def written(env_id, **options):
    env = gym.make_vec(
        f"lm_envs/{env_id}-v0",
        num_envs=6,
        autoreset_mode="disabled",
        split="validation",
        **options,
    )
    return run_episodes(env.unwrapped, oracle(), np.arange(12))


@pytest.mark.parametrize(
    ("env_id", "score", "options"),
    [
        ("Paraphrase", "exact_match", {"actions": "choices"}),
        ("QuestionAnswering", "exact_match", {"actions": "choices"}),
        ("Translation", "exact_match", {"actions": "choices"}),
        ("Classification", "accuracy", {"actions": "choices"}),
        ("KnowledgeGraphQA", "correct", {}),
        ("Dialogue", "completed", {}),
    ],
)
def test_lines_are_chosen_right(env_id, score, options):
    assert all(t.scores[score] == 1.0 for t in written(env_id, **options))


def test_words_follow_the_reference_where_it_is_proposed():
    texts = written("Translation", actions={"kind": "top_k", "k": 2000})
    assert [t.text for t in texts] == [t.reference for t in texts]
