"""Every recipe of CONTRIBUTING.md works as it is written."""

import importlib
import json
import re
import shutil
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.model import loading
from lm_envs.testing import check_environment

GUIDE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```python\n# ([^\n]+)\n(.*?)```", GUIDE, re.DOTALL))
NEXT_WORD = "lm_envs/NextWord-v0"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The guide's new files, importable: modules of a user, and modules of our packages."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    for name, code in BLOCKS.items():
        if name.startswith("in "):
            continue
        path = tmp_path / "tree" / name if "/" in name else tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        if "/" in name:
            package = importlib.import_module(".".join(Path(name).parts[:-1]))
            monkeypatch.setattr(package, "__path__", [*package.__path__, str(path.parent)])
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def add_lines(installed):
    """Runs the lines that the guide adds to a file, and takes them back after the test."""
    changed = []

    def add(file):
        module = importlib.import_module(".".join(Path(file).with_suffix("").parts))
        tables = [table for table in vars(module).values() if isinstance(table, dict)]
        changed.extend((table, dict(table)) for table in tables if table is not vars(module))
        exec(compile(BLOCKS[f"in {file}"], file, "exec"), dict(vars(module)))

    yield add
    for table, entries in changed:
        table.clear()
        table.update(entries)


def test_every_block_has_a_recipe():
    titles = re.findall(r"^### (.+)$", GUIDE, re.MULTILINE)
    assert len(titles) == 8
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(BLOCKS) == len(blocks) == 11
    for block in blocks:
        lines = [line for line in block.splitlines()[1:] if line]
        assert len(lines) <= 15, lines[0]


def test_add_a_task(installed, monkeypatch):
    monkeypatch.chdir(installed)
    rows = [("night", "light"), ("day", "way"), ("sea", "free"), ("cold", "gold")]
    lines = [json.dumps({"word": w, "rhyme": r, "split": "train"}) for w, r in rows]
    Path("rhymes.jsonl").write_text("\n".join(lines))
    importlib.import_module("rhyme")
    check_environment("me/Rhyme-v0", steps=8, max_new_tokens=4)
    env = gym.make("me/Rhyme-v0")
    _, info = env.reset(seed=0, options={"index": 1})
    assert info["prompt"] == "A rhyme for day:"


def test_add_a_reward(installed, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    rows = [("one two", "1 2", 2), ("three", "a 3", 1)]
    keys = ("text", "target", "limit", "split")
    lines = [json.dumps(dict(zip(keys, (*row, "train"), strict=True))) for row in rows]
    pairs.write_text("\n".join(lines))
    env = gym.make(
        "lm_envs/Paraphrase-v0",
        dataset=str(pairs),
        rewards={"brevity:brevity": 0.5, "brevity:has_no_digit": 1.0},
        actions="choices",
    )
    scores = []
    for index in (0, 1):
        env.reset(seed=0, options={"index": index})
        *_, info = env.step(env.unwrapped.batch.oracle_actions()[0])
        scores.append(info["scores"])
    assert scores[0] == {"brevity:brevity": 1.0, "brevity:has_no_digit": 0.0, "reward": 0.5}
    assert scores[1]["brevity:brevity"] == 0.5


def test_add_an_action_kind(installed):
    kind = "greedy_or_sample:GreedyOrSample"
    check_environment(NEXT_WORD, steps=8, max_new_tokens=4, actions=kind)
    envs = gym.make_vec(NEXT_WORD, num_envs=8, actions=kind)
    envs.reset(seed=0, options={"index": 0})
    greedy = envs.step(np.zeros(8, int))[4]["text"]
    assert len(set(greedy)) == 1
    envs.reset(seed=0, options={"index": 0})
    assert len(set(envs.step(np.ones(8, int))[4]["text"])) > 1


def test_add_a_feature_or_an_observation(installed):
    observation = {"kind": "hidden", "features": ["characters:Characters"]}
    check_environment(NEXT_WORD, steps=6, max_new_tokens=4, observation=observation)
    envs = gym.make_vec(NEXT_WORD, num_envs=2, observation=observation)
    envs.reset(seed=0)
    observations, *_, infos = envs.step(np.zeros(2, int))
    column = envs.unwrapped.observation.columns["characters"]
    written = [len(text) / 100 for text in infos["text"]]
    np.testing.assert_allclose(observations[:, column].ravel(), written, rtol=1e-6)
    only = gym.make(NEXT_WORD, observation="characters:CharactersOnly")
    assert only.reset(seed=0)[0].shape == (1,)


def test_add_a_score_that_needs_the_language_model(add_lines):
    add_lines("lm_envs/tasks/rewards/model_scores.py")
    rewards = {"prompt_gain": 1.0}
    check_environment(NEXT_WORD, steps=6, max_new_tokens=4, rewards=rewards)
    envs = gym.make_vec(NEXT_WORD, num_envs=8, rewards=rewards, max_new_tokens=8, max_steps=8)
    envs.reset(seed=0)
    total = sum(envs.step(np.zeros(8, int))[1] for _ in range(8))
    assert 0.0 < total.mean() < 1.0


def test_add_a_model_architecture(add_lines, tmp_path):
    folder = shutil.copytree(loading.locate("embedded"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "nope"}))
    with pytest.raises(ValueError, match="Got model_type='nope'"):
        gym.make(NEXT_WORD, model=str(folder))
    add_lines("lm_envs/model/architectures/registry.py")
    check_environment(NEXT_WORD, steps=6, max_new_tokens=4, model=str(folder))
    texts = []
    for model in ("embedded", str(folder)):
        env = gym.make(NEXT_WORD, model=model, max_new_tokens=8)
        env.reset(seed=0)
        for _ in range(8):
            *_, info = env.step(0)
        texts.append(info["text"])
    assert texts[0] != texts[1]  # positions matter


def test_add_an_algorithm(add_lines, tmp_path):
    from agents.config.train import TrainConfig
    from agents.train import train

    add_lines("agents/config/train.py")
    values = {
        "name": "reinforce",
        "env": {"id": NEXT_WORD, "n_envs": 4, "kwargs": {"max_new_tokens": 4}},
        "algorithm": {"name": "Reinforce", "kwargs": {"n_steps": 8}},
        "total_timesteps": 64,
        "evaluation": {"split": "validation", "episodes": 4, "every": 64},
    }
    result = train(TrainConfig.model_validate(values), tmp_path)
    assert result["steps"] == 64
    values["algorithm"]["kwargs"] = {"n_stepz": 8}
    with pytest.raises(ValueError, match="n_stepz"):
        TrainConfig.model_validate(values)


def test_add_a_benchmark_subject(add_lines):
    from benchmarks.harness import timing
    from benchmarks.report.table import result_table
    from benchmarks.subjects import registry

    add_lines("benchmarks/subjects/registry.py")
    assert registry.accepted_options("resets") == ["n", "repeats"]
    result = registry.measure("resets", {"n": [2], "repeats": 1})
    (row,) = result["rows"]
    assert row["what"] == "reset of 2 rows"
    assert row["seconds"] > 0
    assert result_table({**result, "machine": timing.machine()}).row_count == 1
