import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.observations.paragraph_readings import COLUMNS, PATH

gym.register_envs(lm_envs)

WORDINGS = {"mode": "extractive", "held_out": "wordings"}


def make(num_envs, **arguments):
    kwargs = {**WORDINGS, "actions": {"kind": "top_k", "k": 8, "copies": 64}}
    kwargs |= {"observation": {"kind": "candidates", "features": [PATH]}}
    made = gym.make_vec("lm_envs/QuestionAnswering-v0", num_envs=num_envs, **kwargs | arguments)
    return made.unwrapped


def exact_matches(split):
    """The share of answers that the best readings of one classifier write."""
    env = make(32, split=split)
    indices = np.linspace(0, env.task.num_examples - 1, 32).astype(int)
    observations, _ = env.reset(options={"index": indices})
    best = env.single_observation_space.columns["candidate_best_stems"]
    targets = [env.task.example(index).targets[0] for index in indices]
    texts, running = [""] * 32, np.ones(32, bool)
    while running.any():
        observations, _, terminated, truncated, _ = env.step(observations[:, best].argmax(1))
        for row in np.flatnonzero(running):
            texts[row] = env.episodes.texts[row].strip()
        running &= ~(terminated | truncated)
    return np.mean([text == target for text, target in zip(texts, targets, strict=True)])


def test_wordings_of_train_are_read_as_new_ones_are():
    """An agent would trust readers too far that know the very wordings that it learns from."""
    assert 0.3 < exact_matches("train") < 0.8
    assert 0.3 < exact_matches("validation") < 0.9


def test_columns_are_shares_of_the_texts_that_go_on_with_a_candidate():
    env = make(8, split="validation")
    observations, _ = env.reset(options={"index": np.arange(8)})
    columns = env.single_observation_space.columns
    assert [name for name in columns if name in COLUMNS] == list(COLUMNS)
    for name in COLUMNS:
        assert observations[:, columns[name]].min() >= 0.0
        if "best" in name:
            np.testing.assert_array_equal(observations[:, columns[name]].sum(1), 1.0)
        if "read" in name:
            assert observations[:, columns[name]].sum(1) == pytest.approx(1.0, abs=0.05)


def test_a_callers_prompt_has_no_readings():
    env = make(1)
    observations, _ = env.reset(options={"prompt": "Question: Who?\nAnswer:"})
    columns = env.single_observation_space.columns
    assert not any(observations[:, columns[name]].any() for name in COLUMNS)


def test_another_task_is_refused():
    with pytest.raises(ValueError, match="Got ParagraphReadings for QuestionAnswering; allowed"):
        make(1, held_out="facts")
