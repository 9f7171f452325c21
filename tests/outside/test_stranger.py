"""A package that knows nothing of this repository's tree is checked, trained and evaluated."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from lm_envs.testing import check_environment

ROOT = Path(__file__).parents[2]
PACKAGE = Path(__file__).parent / "package"
ENV_ID = "stranger/Rhyme-v0"
CONFIG = """
name: stranger
imports: [stranger]
env: {id: stranger/Rhyme-v0, n_envs: 4}
algorithm: {name: PPO, kwargs: {n_steps: 16, batch_size: 32, n_epochs: 1, gamma: 1.0}}
total_timesteps: 256
evaluation: {split: validation, episodes: 3, every: 128}
checkpoint_every: 128
"""


def run(*arguments, folders=(PACKAGE,)):
    """Runs Python from the root of the repository, with `folders` on its path."""
    path = os.pathsep.join(map(str, [ROOT, *folders]))
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture
def registered(monkeypatch):
    """The package's id, registered in this process by its import."""
    monkeypatch.syspath_prepend(str(PACKAGE))
    __import__("stranger")
    return ENV_ID


def test_the_id_holds_the_contract(registered):
    check_environment(registered, steps=20)


def test_the_feature_is_found_by_name(registered):
    envs = gym.make_vec(registered, num_envs=3, autoreset_mode="same_step")
    observations, _ = envs.reset(seed=0, options={"index": [0, 1, 2]})  # one, two, one syllables
    column = envs.unwrapped.observation.columns["syllables_left"]
    np.testing.assert_array_equal(observations[:, column].ravel(), [1, 2, 1])
    single = gym.make(registered)
    assert single.observation_space.columns["syllables_left"] == column


def test_the_reward_sees_the_column_of_the_users_file(registered):
    env = gym.make(registered, actions="choices", max_steps=1)
    scores = {}
    for index in (0, 1):  # night, 1 syllable; station, 2
        env.reset(seed=0, options={"index": index})
        _, reward, _, _, info = env.step(env.unwrapped.batch.oracle_actions()[0])
        scores[info["text"].strip()] = info["scores"]["stranger.rewards:right_length"]
        assert reward == pytest.approx(1.0 + 0.5 * scores[info["text"].strip()])
    assert scores == {"light": 1.0, "nation": 1.0}


def test_the_action_kind_draws_from_the_generator_of_its_row(registered):
    kind = {"kind": "stranger.actions:SlipperyTopK", "k": 8}
    texts = {}
    for slip in (0.0, 1.0):
        envs = gym.make_vec(registered, num_envs=8, actions={**kind, "slip": slip})
        envs.reset(seed=0, options={"index": [0] * 8})
        texts[slip] = set(envs.step(np.zeros(8, int))[4]["text"])
    assert len(texts[0.0]) == 1
    assert len(texts[1.0]) > 1


def test_it_is_trained_and_evaluated_by_our_commands(tmp_path):
    config = tmp_path / "stranger.yaml"
    config.write_text(CONFIG)
    trained = run("-m", "agents.train", config, "--json", "--trust-imports", "--runs", tmp_path)
    assert trained.returncode == 0, trained.stderr
    result = json.loads(trained.stdout.splitlines()[-1])
    assert result["steps"] == 256
    assert result["examples"] == 6
    command = ("-m", "agents.evaluate", tmp_path / "stranger-s0", "--split", "test", "--json")
    evaluated = run(*command, "--episodes", 3, "--trust-imports")
    assert evaluated.returncode == 0, evaluated.stderr
    policies = json.loads(evaluated.stdout.splitlines()[-1])["policies"]
    assert {"agent", "random", "greedy", "oracle"} <= set(policies)
    assert "stranger.rewards:right_length" in policies["agent"]
    refused = run(*command)
    assert refused.returncode == 2
    assert "--trust-imports" in refused.stderr


def test_imports_without_the_flag_are_refused_in_one_line(tmp_path):
    config = tmp_path / "stranger.yaml"
    config.write_text(CONFIG)
    refused = run("-m", "agents.train", config, "--runs", tmp_path)
    assert refused.returncode == 2
    (line,) = refused.stderr.strip().splitlines()
    assert "stranger" in line
    assert "--trust-imports" in line
    assert not (tmp_path / "stranger-s0").exists()


@pytest.fixture
def distribution(tmp_path):
    """A folder as `pip install` leaves it: a module, and metadata with an entry point."""
    info = tmp_path / "stranger_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger-plugin\nVersion: 1.0\n")
    entry = f"[{lm_envs.ENTRY_POINT_GROUP}]\nstranger = stranger_plugin:register\n"
    (info / "entry_points.txt").write_text(entry)
    (tmp_path / "stranger_plugin.py").write_text("def register():\n    import stranger\n")
    return tmp_path


def test_an_installed_distribution_registers_its_ids_by_an_entry_point(distribution):
    code = f"import gymnasium, lm_envs; print(gymnasium.make({ENV_ID!r}).reset(seed=0)[1])"
    made = run("-c", code, folders=(PACKAGE, distribution))
    assert made.returncode == 0, made.stderr
    assert "rhymes with" in made.stdout


def test_an_entry_point_that_fails_is_left_out_with_a_warning(distribution):
    (distribution / "stranger_plugin.py").write_text("def register():\n    raise OSError('gone')\n")
    code = "import lm_envs, gymnasium; print('lm_envs/NextWord-v0' in gymnasium.registry)"
    made = run("-c", code, folders=(PACKAGE, distribution))
    assert made.stdout.strip() == "True"
    assert "OSError" in made.stderr
    assert "gone" in made.stderr
