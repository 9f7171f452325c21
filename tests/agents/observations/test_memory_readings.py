import json

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.observations.memory_readings import COLUMNS, PATH

gym.register_envs(lm_envs)

ACTIONS = {"kind": "top_k", "k": 8, "copies": 40}
MEMORY = "ouvre la porte rouge"
"""The text of the memory for the validation prompt."""

PAIRS = {
    "open the red door": "ouvre la porte rouge",
    "open the green door": "ouvre la porte verte",
    "close the file now": "ferme le fichier maintenant",
}


@pytest.fixture
def make(tmp_path):
    """Makes one row of a translation that shows solved examples of PAIRS."""
    rows = [(*each, "train") for each in PAIRS.items()]
    rows.append(("open the red doors", "ouvre les portes rouges", "validation"))
    names = ("source", "target", "split")
    path = tmp_path / "pairs.jsonl"
    lines = [json.dumps(dict(zip(names, row, strict=True)) | {"pair": "en-fr"}) for row in rows]
    path.write_text("\n".join(lines))

    def make(split, **arguments):
        kwargs = {"dataset": str(path), "split": split, "shots": 2, "prompt_tokens": 120}
        kwargs |= {"actions": ACTIONS, "observation": {"kind": "candidates", "features": [PATH]}}
        env = gym.make_vec("lm_envs/Translation-v0", num_envs=1, **kwargs | arguments)
        return env.unwrapped

    return make


def best_text(env, index, column):
    """The text of an episode that takes the candidate of the highest number, and the numbers."""
    observations, _ = env.reset(options={"index": index})
    place, seen, over = env.single_observation_space.columns[column], [], np.zeros(1, bool)
    text = ""
    while not over.any():
        seen.append(observations[0, place].max())
        text = env.episodes.texts[0] if len(seen) > 1 else text
        observations, _, terminated, truncated, _ = env.step(observations[:, place].argmax(1))
        over = terminated | truncated
    return text, seen


@pytest.mark.parametrize("column", ["candidate_memory", "candidate_similarity"])
def test_the_tokens_of_the_memory_write_the_target_of_the_most_similar_prompt(make, column):
    text, seen = best_text(make("validation"), 0, column)
    assert text.strip() == "ouvre la porte rouge"
    expected = 1.0 if column == "candidate_memory" else 2 * 17 / (17 + 18)
    assert seen[0] == pytest.approx(expected, abs=0.1)


def test_a_prompt_of_the_split_train_is_not_among_what_the_memory_knows(make):
    env = make("train")
    texts = {
        env.task.example(index).targets[0]: best_text(env, index, "candidate_memory")[0].strip()
        for index in range(2)
    }
    assert texts["ouvre la porte rouge"] != "ouvre la porte rouge"


def test_a_token_too_few_does_not_lose_the_place_in_the_memory(make):
    env = make("validation")
    columns = env.single_observation_space.columns
    texts = MEMORY, env.task.item(env.task.example(0)).prompt
    own, prompt = map(env.tokenizer.encode_completion, texts)
    env.reset(options={"index": 0})
    for token in own[[0, 2]]:
        (place,) = np.flatnonzero(env.outputs.candidates[0] == token)
        observations, *_ = env.step(np.array([place]))
    candidates = env.outputs.candidates[0]
    seen = {name: observations[0, columns[name]] for name in COLUMNS}
    assert candidates[seen["candidate_memory"].argmax()] == own[3]
    assert seen["candidate_memory"].max() == pytest.approx((1 + 1) / (1 + 2))
    left = dict(zip(candidates.tolist(), seen["candidate_left"], strict=True))
    assert left[own[3]] == 1.0
    assert left[own[2]] == np.count_nonzero(own == own[2]) - 1
    np.testing.assert_allclose(seen["candidate_memory_done"], 2 / len(own) / 2, rtol=1e-6)
    np.testing.assert_allclose(seen["candidate_prompt_done"], 2 / len(prompt) / 4, rtol=1e-6)


def test_weights_are_shares_of_the_proposals_that_agree_with_what_is_written(make):
    env = make("validation", shots=3)
    observations, _ = env.reset(options={"index": 0})
    seen = {name: observations[0, env.single_observation_space.columns[name]] for name in COLUMNS}
    tokens = [env.tokenizer.decode(np.array([each])) for each in env.outputs.candidates[0]]
    weights = {
        tokens[k]: float(each) for k, each in enumerate(seen["candidate_remembered"]) if each
    }
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-5)
    assert max(weights, key=weights.get).strip().startswith("o")


def test_a_task_without_solved_examples_is_refused(make):
    with pytest.raises(ValueError, match=r"Got MemoryReadings for Translation; .* Pass shots=3"):
        make("validation", shots=0)
