"""Every id keeps the contracts of Gymnasium and Stable-Baselines3, without a warning."""

import copy
import itertools
import pickle
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env as gymnasium_check
from gymnasium.utils.env_match import check_environments_match
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3.common.env_checker import check_env as sb3_check

from lm_envs.fonts import MissingGlyphWarning
from tests.envs.helpers import IDS

ADJUSTING = ("WeightTuning", "StructureSearch", "TrainingControl", "CacheEviction")
TUNING = [f"lm_envs/{name}-v0" for name in ADJUSTING]
WRITING = [name for name in IDS if name not in TUNING]
TOKENS = [name for name in WRITING if "LiveSubtitles" not in name]  # has one action kind only
CHOICES = [name for name in TOKENS if "NextWord" not in name]
KINDS = [
    *itertools.product(("top_k", "vocabulary", "embedding"), ("hidden", "embeddings", "tokens")),
    ("top_k", "candidates"),
    ("embedding", "candidates"),
]


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("check", [gymnasium_check, sb3_check])
def test_checkers_find_nothing(env_id, check):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MissingGlyphWarning)
        check(gym.make(env_id).unwrapped)


@pytest.mark.parametrize("env_id", IDS)
def test_two_instances_of_a_spec_from_json_match(env_id):
    own = {"rewards": {"fluency": 1.0, "length": 0.5}} if env_id in WRITING else {"adjustments": 9}
    env = gym.make(env_id, **own)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    num_steps = 60 if env_id in WRITING else 20  # of several episodes
    check_environments_match(env, again, num_steps=num_steps, seed=3)


@pytest.mark.parametrize("env_id", ["lm_envs/NextWord-v0", "lm_envs/StructureSearch-v0"])
@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
@pytest.mark.parametrize("take", [copy.deepcopy, copy.copy, pickle.dumps])
def test_copy_and_pickle_raise_with_remedy(env_id, make, take):
    """Regression: the error was about ctypes pointers."""
    with pytest.raises(TypeError, match=rf"{make.__name__}\(env\.spec\).*set_state\(.*get_state"):
        take(make(env_id).unwrapped)


@pytest.mark.parametrize("env_id", ["lm_envs/NextWord-v0", "lm_envs/WeightTuning-v0"])
@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_the_remedy_makes_the_same_environment(env_id, make):
    env = make(env_id, max_steps=5)
    env.reset(seed=3)
    env.action_space.seed(0)  # without an action that ends the text before the fourth step
    env.step(env.action_space.sample())
    other = make(env.spec)
    other.reset()
    other.unwrapped.set_state(env.unwrapped.get_state())
    for _ in range(3):
        action = env.action_space.sample()
        for mine, theirs in zip(env.step(action)[:4], other.step(action)[:4], strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("env_id", IDS)
def test_every_declared_render_mode_works(env_id, capsys):
    for mode in gym.make(env_id).metadata["render_modes"]:
        env = gym.make(env_id, render_mode=mode)
        env.reset(seed=0)
        env.step(env.action_space.sample())
        frame = env.render()
        if mode == "rgb_array":
            assert frame.shape == (360, 640, 3)
            assert frame.dtype == np.uint8
        elif mode == "ansi":
            assert env.unwrapped.transcript.prompt.split()[0] in frame
        else:
            assert env.unwrapped.transcript.prompt.split()[0] in capsys.readouterr().out


@pytest.mark.parametrize("env_id", IDS)
def test_episode_statistics_of_gymnasium_wrap_the_vector_environment(env_id):
    env = RecordEpisodeStatistics(gym.make_vec(env_id, num_envs=3))
    env.reset(seed=0)
    totals, over = np.zeros(3), np.zeros(3, bool)
    while not over.any():
        _, rewards, terminated, truncated, infos = env.step(env.action_space.sample())
        totals += rewards
        over = terminated | truncated
    np.testing.assert_allclose(infos["episode"]["r"][over], totals[over], atol=1e-6)


@pytest.mark.parametrize("env_id", CHOICES)
@pytest.mark.parametrize("check", [gymnasium_check, sb3_check])
@pytest.mark.parametrize("observation", ["hidden", "candidates", "tokens"])
def test_checkers_find_nothing_with_choices(env_id, check, observation):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MissingGlyphWarning)
        check(gym.make(env_id, actions="choices", observation=observation).unwrapped)


SEVERAL_READINGS = [
    ("lm_envs/Translation-v0", {"mode": "simultaneous"}),
    ("lm_envs/Classification-v0", {"mode": "sequential", "actions": "choices"}),
]


@pytest.mark.parametrize(("env_id", "options"), SEVERAL_READINGS)
@pytest.mark.parametrize("check", [gymnasium_check, sb3_check])
def test_checkers_find_nothing_where_texts_are_read_in_parts(env_id, options, check):
    env = gym.make(env_id, **options)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.action_space == env.action_space
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MissingGlyphWarning)
        check(env.unwrapped)


def test_importing_the_library_loads_no_torch():
    code = "import lm_envs, sys; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("actions", "observation"), KINDS)
@pytest.mark.parametrize("check", [gymnasium_check, sb3_check])
def test_checkers_find_nothing_in_any_combination_of_actions_and_observation(
    actions, observation, check
):
    options = {"actions": actions, "observation": observation, "max_new_tokens": 6}
    env = gym.make("lm_envs/NextWord-v0", **options)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.observation_space == env.observation_space
    assert again.action_space == env.action_space
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MissingGlyphWarning)
        check(env.unwrapped)
