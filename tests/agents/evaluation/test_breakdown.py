import gymnasium as gym
import numpy as np

import lm_envs
from agents.evaluation.breakdown import breakdown, evaluated_examples

gym.register_envs(lm_envs)


def made(name, **kwargs):
    arguments = {"split": "test", "autoreset_mode": "disabled", **kwargs}
    return gym.make_vec(f"lm_envs/{name}-v0", num_envs=1, **arguments).unwrapped


def test_questions_are_divided_by_relation_and_means_by_prompt_add_up():
    examples = evaluated_examples(made("QuestionAnswering"), np.arange(60))
    rewards = {"agent": np.random.default_rng(0).uniform(size=(2, 60))}
    found = breakdown(examples, rewards)
    assert set(found) == {"relation"}  # countries and answers are too many
    parts = found["relation"].values()
    assert sum(part["prompts"] for part in parts) == 60
    total = sum(part["prompts"] * part["rewards"]["agent"] for part in parts) / 60
    np.testing.assert_allclose(total, rewards["agent"].mean())


def test_questions_in_held_out_wordings_are_divided_by_relation_and_place_of_the_answer():
    env = made("QuestionAnswering", mode="extractive", held_out="wordings", split="validation")
    examples = evaluated_examples(env, np.arange(env.num_examples))
    is_urban = np.array([[each.columns["relation"] == "urban" for each in examples]])
    found = breakdown(examples, {"agent": is_urban.astype(float)})
    assert set(found) == {"relation", "place"}
    assert len(found["relation"]) == 12
    assert found["relation"]["urban"]["rewards"] == {"agent": 1.0}
    assert found["relation"]["crop"]["rewards"] == {"agent": 0.0}


def test_labels_are_divided_by_the_correct_label():
    examples = evaluated_examples(made("Classification"), np.arange(40))
    is_geography = np.array([each.targets == ("geography",) for each in examples])
    found = breakdown(examples, {"agent": is_geography[None].astype(float)})
    assert found["target"]["geography"]["rewards"] == {"agent": 1.0}
    assert found["target"]["society"]["rewards"] == {"agent": 0.0}


def test_a_tuned_model_has_no_kinds_of_prompts():
    examples = evaluated_examples(made("WeightTuning", passages=2), np.arange(3))
    assert breakdown(examples, {"agent": np.zeros((1, 3))}) == {}
