"""The rows of one runner, without Ray."""

import itertools

import gymnasium as gym
import numpy as np

from agents.train_rllib.rows import importing_id, make_rows, runner_seed
from tests.agents.finished_run import CONFIG


def test_ids_name_the_module_that_registers_them():
    """A process of a cluster has an empty registry."""
    assert importing_id("lm_envs/NextWord-v0") == "lm_envs:lm_envs/NextWord-v0"
    assert importing_id("me/Rhyme-v0") == "me/Rhyme-v0"


def test_runners_next_to_each_other_begin_other_prompts():
    """RLlib seeds them 1, 2, …, and rows of an environment are seeded seed + i."""
    rows = [make_rows(CONFIG, gamma=1.0) for _ in range(3)]
    for runner, env in enumerate(rows, start=1):
        env.reset(seed=CONFIG.seed + runner)
    prompts = [[t.prompt for t in env.unwrapped.transcripts] for env in rows]
    for one, following in itertools.pairwise(prompts):
        assert one[1:] != following[:-1]
        assert one != following


def test_the_seed_of_a_runner_is_that_of_its_name_and_number():
    assert runner_seed("a", 1) == runner_seed("a", 1)
    assert len({runner_seed("a", 1), runner_seed("a", 2), runner_seed("b", 1)}) == 3


def test_infos_are_empty_and_everything_else_is_the_environments():
    rows = make_rows(CONFIG, gamma=1.0)
    plain = gym.make_vec(CONFIG.env.id, num_envs=CONFIG.env.n_envs, **CONFIG.env.kwargs)
    first, infos = rows.reset(seed=1)
    assert infos == {}
    expected, _ = plain.reset(seed=runner_seed(CONFIG.name, 1))
    np.testing.assert_array_equal(first, expected)
    actions = np.zeros(CONFIG.env.n_envs, np.int64)
    for own, other in zip(rows.step(actions)[:4], plain.step(actions)[:4], strict=True):
        np.testing.assert_array_equal(own, other)
    assert rows.step(actions)[4] == {}


def test_a_reset_without_a_seed_goes_on_with_the_generators():
    rows = make_rows(CONFIG, gamma=1.0)
    rows.reset(seed=1)
    first = [t.prompt for t in rows.unwrapped.transcripts]
    rows.reset()
    assert [t.prompt for t in rows.unwrapped.transcripts] != first
