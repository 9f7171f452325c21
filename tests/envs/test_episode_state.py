"""States of episodes: what is restored, and what is refused."""

import json

import gymnasium as gym
import numpy as np
import pytest

from tests.envs.helpers import DATA, ID, make, snapshot


@pytest.mark.parametrize("cache_dtype", ["auto", "int8"])
def test_steps_after_a_restored_state_are_the_same_bit_for_bit(cache_dtype):
    env, other = (make(5, "same_step", cache_dtype=cache_dtype) for _ in range(2))
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(13):
        env.step(rng.integers(0, 16, 5))
    observations = other.set_state(env.get_state())
    for _ in range(30):
        actions = rng.integers(0, 16, 5)
        mine, rewards, *_ = env.step(actions)
        theirs, other_rewards, *_ = other.step(actions)
        assert np.array_equal(mine, theirs)
        assert np.array_equal(rewards, other_rewards)
    assert observations.shape == env.observation_space.shape


@pytest.mark.parametrize("options", [{"num_envs": 3}, {"max_new_tokens": 9}])
def test_a_state_of_another_shape_is_refused_and_changes_nothing(options):
    """Regression: the environment was left with some of the state's arrays."""
    env, other = make(), make(**options)
    env.reset(seed=0)
    other.reset(seed=1)
    before, outputs = snapshot(env), env.outputs
    name, shape = ("over", r"\(3,\)") if "num_envs" in options else ("tokens", r"\(4, 9\)")
    with pytest.raises(ValueError, match=f"Got a state whose {name} has shape {shape}; allowed"):
        env.set_state(other.get_state())
    assert snapshot(env) == before
    assert env.outputs is outputs


def wrong_states(state):
    """Returns states with one wrong part each, by the error that they raise."""
    episodes = state["episodes"]
    full = np.full_like(episodes["context_lengths"], episodes["contexts"].shape[1])
    parts = {
        "row 0 is of example 1000000": {"indices": [10**6, *episodes["indices"][1:]]},
        "row 0 is of example 'x'": {"indices": ["x", *episodes["indices"][1:]]},
        "row 0 is of example .* 'Else'": {"prompts": ["Else", *episodes["prompts"][1:]]},
        "row 0 is of": {"references": np.roll(episodes["references"], 1, 1)},
        "turns of row 0 are": {"turns": [[3], *episodes["turns"][1:]]},
        "ending of row 0 in a state='now'": {"endings": ["now", *episodes["endings"][1:]]},
        "whose tokens lie between": {"tokens": episodes["tokens"] + 10**6},
        "whose counts lie between": {"counts": episodes["counts"] - 2},
        "whose potentials has dtype <U1": {"potentials": np.full(len(episodes["potentials"]), "x")},
        "whose prompts is no list": {"prompts": "text"},
        "not of this task's scores: .*unknown": {"task_scores": {"blue": np.zeros(4)}},
        "row 0 has ending 'budget', .*over=False": {"endings": ["budget", None, None, None]},
        "row 0 has ending None, 8 tokens written": {"counts": np.full_like(episodes["counts"], 8)},
        r"row 0 has .* context of \d+, but over=False": {"context_lengths": full},
    }
    wrong = {what: state | {"episodes": episodes | part} for what, part in parts.items()}
    without = {name: values for name, values in episodes.items() if name != "turns"}
    return wrong | {
        r"without \['turns'\]": state | {"episodes": without},
        "not of an environment that writes text, but list": state | {"episodes": []},
        r"without \['episodes', 'generators', 'over'\]": {},
        "not of a vector environment, but NoneType": None,
        "generator of row 0": state | {"generators": [{}, *state["generators"][1:]]},
        r"over has shape \(\)": state | {"over": None},
        "row 0 has ending None, .*over=True": state | {"over": np.ones(4, bool)},
    }


def test_a_wrong_state_is_refused_and_changes_nothing():
    """Regressions: arrays were overwritten before examples and generators were checked, and a row
    that could not go on failed in the next step."""
    env, other = make(), make()
    env.reset(seed=0)
    other.reset(seed=1)
    other.step(np.zeros(4, int))
    before, outputs, draws = snapshot(env), env.outputs, env.get_state()["generators"]
    for message, state in wrong_states(other.get_state()).items():
        with pytest.raises(ValueError, match=f"Got (a state )?.*{message}"):
            env.set_state(state)
        assert snapshot(env) == before
        assert env.outputs is outputs
        assert env.get_state()["generators"] == draws


@pytest.mark.parametrize("options", [{"split": "test"}, {"max_new_tokens": 4}])
def test_a_state_of_other_examples_is_refused_and_changes_nothing(options):
    """Regression: a state of another split was restored, whose text the model had not read."""
    env, other = (gym.make(ID, **({"max_new_tokens": 5} | own)).unwrapped for own in ({}, options))
    env.reset(options={"index": 3})
    env.step(0)
    other.reset(seed=0)
    before = snapshot(other.batch)
    with pytest.raises(ValueError, match="Got a state whose"):
        other.set_state(env.get_state())
    assert snapshot(other.batch) == before


def test_a_state_with_a_callers_prompt_is_restored():
    env, other = make(2), make(2)
    env.reset(options={"prompt": ["Once upon a time", "今天天气"]})
    env.step(np.zeros(2, int))
    other.set_state(env.get_state())
    assert snapshot(other) == snapshot(env)


def to_arrays(value):
    """Returns a value of a JSON file with its arrays as NumPy arrays."""
    if isinstance(value, dict) and "__array__" in value:
        return np.array(value["__array__"], value["dtype"])
    if isinstance(value, dict):
        return {name: to_arrays(part) for name, part in value.items()}
    return [to_arrays(part) for part in value] if isinstance(value, list) else value


EARLIER = {"chrf": 1.0, "bleu": 0.0, "exact_match": 0.0, "lagging": -0.05}
"""Default rewards of a simultaneous translation in version 0.1.0."""


@pytest.mark.parametrize(
    ("name", "own"), [("NextWord", {}), ("Dialogue", {}), ("Translation", {"rewards": EARLIER})]
)
def test_a_state_of_version_0_1_0_continues_as_it_did_then(name, own):
    saved = json.loads((DATA / "version_0_1_0" / f"{name}.json").read_text())
    options = {"env_id": f"lm_envs/{name}-v0", **saved["kwargs"], **own}
    env = make(2, "same_step", **options)
    env.set_state(to_arrays(saved["state"]))
    for step in saved["follow"]:
        _, rewards, _, _, infos = env.step(np.array(step["actions"]))
        assert infos["text"].tolist() == step["text"]
        np.testing.assert_allclose(rewards, step["rewards"], rtol=0, atol=1e-9)


def test_a_score_of_version_0_1_0_that_is_computed_anew_is_left_out_of_a_state():
    saved = json.loads((DATA / "version_0_1_0" / "NextWord.json").read_text())
    state = to_arrays(saved["state"])
    state["episodes"]["marks"]["cross_entropy"] = np.zeros(2)
    env = make(2, "same_step", **saved["kwargs"])
    env.set_state(state)
    assert "cross_entropy" not in env.get_state()["episodes"]["task_scores"]
