import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.observations.relation_beliefs import NUM_MENTIONS, NUM_TURNS, PATH

gym.register_envs(lm_envs)

CHOICES = {"kind": "choices", "scores": False, "reads": False}


def make(num_envs=4, feature=PATH, name="KnowledgeGraphQA", **arguments):
    kwargs = {"hops": 1, "wordings": "varied", "actions": CHOICES}
    kwargs = kwargs if name == "KnowledgeGraphQA" else {"actions": CHOICES}
    observation = {"kind": "candidates", "features": [feature]}
    kwargs |= {"observation": observation, "split": "validation"} | arguments
    return gym.make_vec(f"lm_envs/{name}-v0", num_envs=num_envs, **kwargs).unwrapped


def test_the_most_probable_relation_is_mostly_the_first_of_the_path():
    env = make(64)
    observations, _ = env.reset(options={"index": np.arange(64)})
    shares = observations[:, env.single_observation_space.columns["next_relation"]]
    task = env.task
    first = [task.oracle_completion(task.example(index), []) for index in range(64)]
    guesses = [task.lines[number] for number in shares.argmax(1)]
    assert np.mean([a == b for a, b in zip(first, guesses, strict=True)]) > 0.5
    np.testing.assert_allclose(shares.sum(1), 1.0, rtol=1e-5)


def test_mentions_and_turns_have_one_column_each():
    env = make()
    columns, task = env.single_observation_space.columns, env.task
    seen = env.reset(options={"index": np.arange(4)})[0]
    assert (seen[:, columns["looked_up"]].sum(1) <= 1.0).all()
    mentions = seen[:, columns["mentions"]].reshape(4, NUM_MENTIONS, len(task.relations))
    assert (mentions.sum(2) <= 1.0).all()
    assert mentions.sum() > 0.0
    assert not seen[:, columns["turns"]].any()
    seen = env.step(np.zeros(4, np.int64))[0]
    turns = seen[:, columns["turns"]].reshape(4, NUM_TURNS, len(task.lines))
    assert (turns[:, 0, 0] == 1.0).all()
    assert turns.sum() == 4.0


def test_words_that_are_left_out_change_what_is_read():
    plain, dropped = make(), make(feature={"kind": PATH, "dropout": 0.9})
    seen = [env.reset(options={"index": np.arange(4)})[0] for env in (plain, dropped)]
    assert not np.array_equal(*seen)


def test_other_tasks_and_shares_are_refused():
    with pytest.raises(ValueError, match="Dialogue; allowed: KnowledgeGraphQA"):
        make(name="Dialogue")
    with pytest.raises(ValueError, match=r"dropout=1\.0; allowed"):
        make(feature={"kind": PATH, "dropout": 1.0})
