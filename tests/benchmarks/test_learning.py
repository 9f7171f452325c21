import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import trim_mean
from typer.testing import CliRunner

from agents.config import UserError, load_config
from agents.train_config import TrainConfig
from benchmarks import curves, learning, sweep

SMOKE = Path("configs/smoke.yaml")
QUICK = ["total_timesteps=128", "evaluation.every=128", "evaluation.episodes=4"]


def config(name="smoke", seed=0, algorithm="PPO", env="lm_envs/NextWord-v0"):
    names = [f"name={name}", f"seed={seed}", f"env.id={env}"]
    kwargs = ["algorithm.kwargs={}", f"algorithm.name={algorithm}"]
    return load_config(TrainConfig, SMOKE, [*QUICK, *names, *kwargs])


def finished(rewards, **named):
    """A run whose held-out rewards were these, 100 steps apart."""
    log = [
        {"step": 100 * number, "seconds": 10.0 * number, "held_out": {"reward": reward}}
        for number, reward in enumerate(rewards)
    ]
    return sweep.Run(config(**named), log, {"baselines": {"random": 0.1, "greedy": 0.5}})


@pytest.fixture
def run(tmp_path):
    """Runs the command in this process on a sweep of one quick configuration."""
    quick = tmp_path / "quick.yaml"
    quick.write_text(yaml.safe_dump(load_config(TrainConfig, SMOKE, QUICK).model_dump()))
    path = tmp_path / "sweep.yaml"
    path.write_text(
        yaml.safe_dump({"threshold": 0.0, "runs": [{"config": str(quick), "seeds": [0]}]})
    )
    folders = ["--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "out")]
    app = learning.typer.Typer()
    app.command()(learning.main)
    return lambda: CliRunner().invoke(app, [str(path), *folders])


def test_the_middle_half_of_the_seeds_counts():
    values = np.array([0.0, 1.0, 2.0, 100.0])
    assert curves.iqm(values) == trim_mean(values, 0.25) == 1.5


def test_intervals_hold_the_mean_and_widen_with_the_spread_of_seeds():
    rng = np.random.default_rng(0)
    widths = []
    for spread in (0.1, 1.0):
        values = rng.normal(0.0, spread, (10, 3))
        low, high = curves.stratified_interval([values])
        assert (low <= curves.iqm(values)).all()
        assert (curves.iqm(values) <= high).all()
        widths.append((high - low).mean())
    assert widths[1] > 5 * widths[0]


def test_differences_between_tasks_do_not_widen_an_interval():
    """Each task keeps its number of seeds in every resample."""
    easy, hard = np.full(5, 1.0), np.full(5, 0.0)
    low, high = curves.stratified_interval([easy, hard])
    assert low == high == 0.5


def test_steps_to_a_threshold_are_those_of_the_first_evaluation_there():
    steps, rewards = np.array([0, 10, 20]), np.array([0.1, 0.9, 0.5])
    assert curves.steps_to(steps, rewards, 0.5) == 10
    assert curves.steps_to(steps, rewards, 1.0) is None


def test_a_row_tells_reward_threshold_and_seconds():
    runs = [finished([0.0, 0.4, 0.8], seed=0), finished([0.0, 0.6, 0.6], seed=1)]
    (row,) = learning.summarise(runs, 0.5)["rows"]
    assert row["reward"] == pytest.approx(0.7)
    assert row["interval"] == pytest.approx([0.6, 0.8])
    assert (row["steps_to_threshold"], row["reached"]) == (150, "2 of 2")
    assert (row["seconds"], row["seeds"]) == (20.0, 2)


def test_a_threshold_that_most_seeds_miss_has_no_steps():
    runs = [
        finished([0.0, 0.4], seed=0),
        finished([0.0, 0.9], seed=1),
        finished([0.0, 0.3], seed=2),
    ]
    (row,) = learning.summarise(runs, 0.5)["rows"]
    assert (row["steps_to_threshold"], row["reached"]) == (None, "1 of 3")


def test_an_algorithm_on_several_tasks_has_a_row_for_all():
    tasks = {"words": "lm_envs/NextWord-v0", "questions": "lm_envs/QA-v0"}
    runs = [
        finished([0.0, reward], name=name, env=env, seed=seed)
        for reward, (name, env) in zip((0.2, 0.8), tasks.items(), strict=True)
        for seed in (0, 1)
    ]
    row = learning.summarise(runs, None)["rows"][-1]
    assert (row["what"], row["seeds"]) == ("all tasks", 4)
    assert row["reward"] == pytest.approx(0.5)


def test_a_run_is_kept_by_its_configuration(tmp_path):
    assert sweep.folder_of(config(), tmp_path) == sweep.folder_of(config(), tmp_path)
    assert sweep.folder_of(config(), tmp_path) != sweep.folder_of(config(seed=1), tmp_path)


def test_two_runs_of_one_name_and_seed_are_refused():
    twice = {"runs": [{"config": str(SMOKE), "seeds": [0, 1, 0]}]}
    with pytest.raises(UserError, match="Got smoke-s0 twice in a sweep"):
        sweep.read_configs(sweep.SweepConfig.model_validate(twice))


def test_a_run_that_was_cut_off_is_resumed_and_one_that_fails_is_named(tmp_path, monkeypatch):
    commands = []

    def fail(command, **options):
        commands.append(command)
        return subprocess.CompletedProcess(command, 2, "", "error: no luck\n")

    monkeypatch.setattr(sweep.subprocess, "run", fail)
    for folder in (None, sweep.folder_of(config(), tmp_path) / "smoke-s0"):
        if folder:
            folder.mkdir()
        with pytest.raises(UserError, match=r"exit code 2 from smoke-s0 in .*: error: no luck"):
            sweep.run_all([config()], tmp_path, jobs=1)
    assert ["--resume" in command for command in commands] == [False, True]


def test_a_sweep_trains_once_and_is_then_read_from_its_folder(run, tmp_path, monkeypatch):
    first = run()
    assert first.exit_code == 0, first.output
    document = json.loads(first.stdout.splitlines()[-1])
    assert document["curves"]["smoke"]["steps"] == [0, 128]
    assert len(document["curves"]["smoke"]["seeds"]) == 1
    folder = tmp_path / "out" / "sweep"
    assert {path.name for path in folder.iterdir()} == {
        *("learning.json", "curves.png", "rewards.png"),
    }
    monkeypatch.setattr(sweep.subprocess, "run", None)
    again = json.loads(run().stdout.splitlines()[-1])
    assert {**again, "machine": None} == {**document, "machine": None}
