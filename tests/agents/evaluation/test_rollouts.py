"""Rollouts, with the oracle, which solves every solvable example."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.evaluation.baselines import greedy, oracle
from agents.evaluation.rollouts import evenly_spaced_indices, run_episodes, run_placed_episodes

gym.register_envs(lm_envs)


def make_rows(env_id, **options):
    env = gym.make_vec(
        f"lm_envs/{env_id}-v0",
        num_envs=6,
        autoreset_mode="disabled",
        split="validation",
        **options,
    )
    return env.unwrapped


def written(env_id, **options):
    return run_episodes(make_rows(env_id, **options), oracle(), np.arange(12))


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
def test_the_oracle_chooses_correct_options(env_id, score, options):
    assert all(t.scores[score] == 1.0 for t in written(env_id, **options))


def test_the_oracle_writes_the_reference_if_it_is_among_the_candidates():
    texts = written("Translation", actions={"kind": "top_k", "k": 2000})
    assert [t.text for t in texts] == [t.reference for t in texts]


@pytest.mark.parametrize(
    ("num_examples", "max_count", "expected"),
    [(5, 3, [0, 2, 4]), (3, 5, [0, 1, 2]), (100, 2, [0, 99]), (4, 1, [0])],
)
def test_indices_are_evenly_spaced_and_distinct(num_examples, max_count, expected):
    assert evenly_spaced_indices(num_examples, max_count).tolist() == expected


@pytest.mark.parametrize("count", [3, 6, 15])
def test_transcripts_come_in_the_order_of_the_indices(count):
    indices = np.arange(count)[::-1] * 2
    env = make_rows("NextWord", max_new_tokens=4)
    found = run_episodes(env, greedy(), indices)
    assert [t.prompt for t in found] == [
        env.reset(options={"index": int(index)})[1]["prompt"][0] for index in indices
    ]


@pytest.mark.parametrize("count", [3, 15])
def test_a_policy_knows_which_example_each_row_has(count):
    indices = np.arange(count)[::-1] * 2
    env, shown = make_rows("NextWord", max_new_tokens=2), {}

    def act(env, observations, places):
        for row, place in enumerate(places.tolist()):
            if place >= 0:
                shown.setdefault(place, set()).add(env.episodes.examples[row].index)
        return greedy()(env, observations)

    run_placed_episodes(env, act, indices)
    assert shown == {place: {int(index)} for place, index in enumerate(indices)}
