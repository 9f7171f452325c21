import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.observations.shown_changes import COLUMNS, PATH

gym.register_envs(lm_envs)

ACTIONS = {"kind": "top_k", "k": 8, "copies": 40}


def make(num_envs=4, **arguments):
    kwargs = {"held_out": "rules", "shots": 3, "prompt_tokens": 160, "actions": ACTIONS}
    kwargs |= {"observation": {"kind": "candidates", "features": [PATH]}, "split": "validation"}
    return gym.make_vec("lm_envs/Paraphrase-v0", num_envs=num_envs, **kwargs | arguments).unwrapped


def test_the_tokens_of_the_best_reading_write_most_paraphrases_of_a_rule():
    env = make(24)  # "although", the first rule
    observations, _ = env.reset(options={"index": np.arange(24)})
    best = env.single_observation_space.columns["candidate_best"]
    ended = np.zeros(24, bool)
    texts = [""] * 24
    while not ended.all():
        observations, _, terminated, truncated, _ = env.step(observations[:, best].argmax(1))
        texts = [
            text if done else env.episodes.texts[row]
            for row, (text, done) in enumerate(zip(texts, ended, strict=True))
        ]
        ended |= terminated | truncated
    targets = [env.task.example(index).targets for index in range(24)]
    right = [text.strip() in each for text, each in zip(texts, targets, strict=True)]
    assert np.mean(right) > 0.9


def test_the_columns_tell_what_readings_write_and_what_the_text_has_left():
    env = make(1)
    observations, info = env.reset(options={"index": 0})
    columns = env.single_observation_space.columns
    seen = {name: observations[0, columns[name]] for name in COLUMNS}
    tokens = [env.tokenizer.decode(np.array([each])) for each in env.outputs.candidates[0]]
    assert [tokens[place] for place in np.flatnonzero(seen["candidate_best"])] == [" although"]
    assert seen["candidate_read"].sum() == pytest.approx(1.0, abs=1e-5)
    assert not seen["candidate_copied"].any()  # nothing is written yet
    text = info["prompt"][0].rsplit("Text:", 1)[1].split("\n")[0]
    left = {tokens[place] for place in np.flatnonzero(seen["candidate_left"])}
    assert left
    assert all(token in text for token in left)


def test_another_task_is_refused():
    with pytest.raises(ValueError, match="Got ShownChanges for Paraphrase; allowed: Paraphrase"):
        make(held_out="fillings", shots=0)
