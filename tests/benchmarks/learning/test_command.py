"""What the runs of a sweep come to, and the command from end to end."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from agents.config.loading import load_config
from agents.config.train import TrainConfig
from benchmarks.learning import command, sweep
from benchmarks.learning.summary import summarize
from tests.benchmarks.finished_runs import QUICK, SMOKE, config, finished


@pytest.fixture
def run(tmp_path):
    """Runs the command in this process on a sweep of one quick configuration, whole and in part."""
    quick = tmp_path / "quick.yaml"
    quick.write_text(yaml.safe_dump(load_config(TrainConfig, SMOKE, QUICK).model_dump()))
    path = tmp_path / "sweep.yaml"
    runs = [{"config": str(quick), "seeds": [0], "shares": [1.0, 0.05]}]
    path.write_text(yaml.safe_dump({"threshold": 0.0, "runs": runs}))
    folders = ["--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "out")]
    app = command.typer.Typer()
    app.command()(command.main)
    return lambda: CliRunner().invoke(app, [str(path), *folders])


def test_a_row_tells_reward_threshold_and_seconds():
    runs = [finished([0.0, 0.4, 0.8], seed=0), finished([0.0, 0.6, 0.6], seed=1)]
    (row,) = summarize(runs, 0.5)["rows"]
    assert row["reward"] == pytest.approx(0.7)
    assert row["interval"] == pytest.approx([0.6, 0.8])
    assert (row["steps_to_threshold"], row["reached"]) == (150, "2 of 2")
    assert (row["seconds"], row["seeds"], row["examples"]) == (20.0, 2, 50)


def test_seconds_to_a_threshold_are_a_median_over_seeds_that_differ_in_pace():
    runs = [finished([0.0, 0.6], pace=pace, seed=seed) for seed, pace in enumerate((4, 30, 5))]
    (row,) = summarize(runs, 0.5)["rows"]
    assert (row["steps_to_threshold"], row["seconds_to_threshold"]) == (100, 5)


def test_a_threshold_that_most_seeds_miss_has_no_steps():
    runs = [
        finished([0.0, 0.4], seed=0),
        finished([0.0, 0.9], seed=1),
        finished([0.0, 0.3], seed=2),
    ]
    (row,) = summarize(runs, 0.5)["rows"]
    assert (row["steps_to_threshold"], row["reached"]) == (None, "1 of 3")
    assert row["seconds_to_threshold"] is None


def test_an_algorithm_on_several_tasks_has_a_row_for_all():
    tasks = {"words": "lm_envs/NextWord-v0", "questions": "lm_envs/QuestionAnswering-v0"}
    runs = [
        finished([0.0, reward], name=name, env=env, seed=seed)
        for reward, (name, env) in zip((0.2, 0.8), tasks.items(), strict=True)
        for seed in (0, 1)
    ]
    row = summarize(runs, None)["rows"][-1]
    assert (row["what"], row["seeds"]) == ("all tasks", 4)
    assert row["reward"] == pytest.approx(0.5)


def test_runs_with_a_label_are_told_of_apart():
    tasks = {"words": "lm_envs/NextWord-v0", "questions": "lm_envs/QuestionAnswering-v0"}
    runs = [
        finished([0.0, reward], name=name + end, env=env, seed=seed)
        for reward, end in ((0.8, ""), (0.2, "-blind"))
        for name, env in tasks.items()
        for seed in (0, 1)
    ]
    summary = summarize(runs, None, {"words-blind": "blind", "questions-blind": "blind"})
    found = {row["algorithm"]: row["reward"] for row in summary["rows"][-2:]}
    assert found == pytest.approx({"PPO": 0.8, "PPO, blind": 0.2})
    assert summary["profiles"]["algorithms"].keys() == {"PPO", "PPO, blind"}


def test_the_wall_clock_holds_what_each_seed_last_earned():
    runs = [finished([0.0, 0.8], pace=10, seed=0), finished([0.2, 0.4], pace=30, seed=1)]
    curve = summarize(runs, None)["wall_clock"]["smoke"]
    assert curve["seconds"] == [0, 10, 30]
    assert curve["reward"] == pytest.approx([0.1, 0.5, 0.6])
    assert curve["seeds"] == [[0.0, 0.8, 0.8], [0.2, 0.2, 0.4]]


def parts(*rewards, shares=("[:10%]", "", "[:50%]"), **named):
    """Two seeds of one configuration on several shares of its examples, one reward a share."""
    return [
        finished([reward + 0.1 * seed], split=f"train{share}", seed=seed, name=name, **named)
        for share, reward in zip(shares, rewards, strict=True)
        for name in (f"smoke{sweep.suffix(config(split=f'train{share}'))}",)
        for seed in (0, 1)
    ]


def test_rewards_over_the_share_of_the_examples_are_one_curve_in_rising_order():
    document = summarize(parts(0.2, 0.8, 0.4), None)
    assert [row["what"] for row in document["rows"]] == ["smoke-10pct", "smoke", "smoke-50pct"]
    curve = document["data_efficiency"]["smoke"]
    assert curve["shares"] == [0.1, 0.5, 1.0]
    assert curve["reward"] == pytest.approx([0.25, 0.45, 0.85])
    assert curve["low"] == pytest.approx([0.2, 0.4, 0.8])
    assert curve["high"] == pytest.approx([0.3, 0.5, 0.9])
    assert curve["baselines"]["greedy"] == 0.5


def test_a_sweep_of_whole_splits_has_no_curve_over_shares():
    assert summarize([finished([0.1])], None)["data_efficiency"] == {}


def test_shares_are_told_apart_over_all_tasks():
    env = "lm_envs/QuestionAnswering-v0"
    other = [
        finished([0.6], name=f"qa{sweep.suffix(config(split=split))}", env=env, split=split)
        for split in ("train[:10%]", "train")
    ]
    rows = summarize([*parts(0.2, 0.8, 0.4), *other], None)["rows"][-2:]
    assert [(row["algorithm"], row["seeds"]) for row in rows] == [("PPO-10pct", 3), ("PPO", 3)]


def test_a_sweep_trains_once_and_is_then_read_from_its_folder(run, tmp_path, monkeypatch):
    first = run()
    assert first.exit_code == 0, first.output
    document = json.loads(first.stdout.splitlines()[-1])
    assert document["curves"]["smoke"]["steps"] == [0, 128]
    assert len(document["curves"]["smoke"]["seeds"]) == 1
    assert len(document["wall_clock"]["smoke"]["seconds"]) == 2
    assert set(document["profiles"]["algorithms"]) == {"PPO", "PPO-5pct"}
    few, whole = document["data_efficiency"]["smoke"]["examples"]
    assert few == pytest.approx(whole / 20, abs=1)
    assert all(row["seconds_to_threshold"] >= 0.0 for row in document["rows"])
    folder = tmp_path / "out" / "sweep"
    assert {path.name for path in folder.iterdir()} == {
        *("learning.json", "curves.png", "rewards.png", "wall_clock.png", "profiles.png"),
        "data_efficiency.png",
    }
    monkeypatch.setattr(sweep.subprocess, "run", None)
    again = json.loads(run().stdout.splitlines()[-1])
    assert {**again, "machine": None} == {**document, "machine": None}
