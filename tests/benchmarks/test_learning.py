import json
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from agents.config import UserError, load_config
from agents.train_config import TrainConfig
from benchmarks import learning, sweep
from benchmarks.learning_summary import summarise

SMOKE = Path("configs/smoke.yaml")
QUICK = ["total_timesteps=128", "evaluation.every=128", "evaluation.episodes=4"]


def config(name="smoke", seed=0, algorithm="PPO", env="lm_envs/NextWord-v0", split="train"):
    names = [f"name={name}", f"seed={seed}", f"env.id={env}", f"env.split={split}"]
    kwargs = ["algorithm.kwargs={}", f"algorithm.name={algorithm}"]
    return load_config(TrainConfig, SMOKE, [*QUICK, *names, *kwargs])


def finished(rewards, pace=10.0, examples=50, baselines=None, **named):
    """A run whose held-out rewards were these, 100 steps and `pace` seconds apart."""
    log = [
        {"step": 100 * number, "seconds": pace * number, "held_out": {"reward": reward}}
        for number, reward in enumerate(rewards)
    ]
    result = {"baselines": baselines or {"random": 0.1, "greedy": 0.5}, "examples": examples}
    return sweep.Run(config(**named), log, result)


@pytest.fixture
def run(tmp_path):
    """Runs the command in this process on a sweep of one quick configuration, whole and in part."""
    quick = tmp_path / "quick.yaml"
    quick.write_text(yaml.safe_dump(load_config(TrainConfig, SMOKE, QUICK).model_dump()))
    path = tmp_path / "sweep.yaml"
    runs = [{"config": str(quick), "seeds": [0], "shares": [1.0, 0.05]}]
    path.write_text(yaml.safe_dump({"threshold": 0.0, "runs": runs}))
    folders = ["--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "out")]
    app = learning.typer.Typer()
    app.command()(learning.main)
    return lambda: CliRunner().invoke(app, [str(path), *folders])


def test_a_row_tells_reward_threshold_and_seconds():
    runs = [finished([0.0, 0.4, 0.8], seed=0), finished([0.0, 0.6, 0.6], seed=1)]
    (row,) = summarise(runs, 0.5)["rows"]
    assert row["reward"] == pytest.approx(0.7)
    assert row["interval"] == pytest.approx([0.6, 0.8])
    assert (row["steps_to_threshold"], row["reached"]) == (150, "2 of 2")
    assert (row["seconds"], row["seeds"], row["examples"]) == (20.0, 2, 50)


def test_seconds_to_a_threshold_are_a_median_over_seeds_that_differ_in_pace():
    runs = [finished([0.0, 0.6], pace=pace, seed=seed) for seed, pace in enumerate((4, 30, 5))]
    (row,) = summarise(runs, 0.5)["rows"]
    assert (row["steps_to_threshold"], row["seconds_to_threshold"]) == (100, 5)


def test_a_threshold_that_most_seeds_miss_has_no_steps():
    runs = [
        finished([0.0, 0.4], seed=0),
        finished([0.0, 0.9], seed=1),
        finished([0.0, 0.3], seed=2),
    ]
    (row,) = summarise(runs, 0.5)["rows"]
    assert (row["steps_to_threshold"], row["reached"]) == (None, "1 of 3")
    assert row["seconds_to_threshold"] is None


def test_an_algorithm_on_several_tasks_has_a_row_for_all():
    tasks = {"words": "lm_envs/NextWord-v0", "questions": "lm_envs/QA-v0"}
    runs = [
        finished([0.0, reward], name=name, env=env, seed=seed)
        for reward, (name, env) in zip((0.2, 0.8), tasks.items(), strict=True)
        for seed in (0, 1)
    ]
    row = summarise(runs, None)["rows"][-1]
    assert (row["what"], row["seeds"]) == ("all tasks", 4)
    assert row["reward"] == pytest.approx(0.5)


def test_the_wall_clock_holds_what_each_seed_last_earned():
    runs = [finished([0.0, 0.8], pace=10, seed=0), finished([0.2, 0.4], pace=30, seed=1)]
    curve = summarise(runs, None)["wall_clock"]["smoke"]
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
    document = summarise(parts(0.2, 0.8, 0.4), None)
    assert [row["what"] for row in document["rows"]] == ["smoke-10pct", "smoke", "smoke-50pct"]
    curve = document["data_efficiency"]["smoke"]
    assert curve["shares"] == [0.1, 0.5, 1.0]
    assert curve["reward"] == pytest.approx([0.25, 0.45, 0.85])
    assert curve["low"] == pytest.approx([0.2, 0.4, 0.8])
    assert curve["high"] == pytest.approx([0.3, 0.5, 0.9])
    assert curve["baselines"]["greedy"] == 0.5


def test_a_sweep_of_whole_splits_has_no_curve_over_shares():
    assert summarise([finished([0.1])], None)["data_efficiency"] == {}


def test_shares_are_told_apart_over_all_tasks():
    env = "lm_envs/QA-v0"
    other = [
        finished([0.6], name=f"qa{sweep.suffix(config(split=split))}", env=env, split=split)
        for split in ("train[:10%]", "train")
    ]
    rows = summarise([*parts(0.2, 0.8, 0.4), *other], None)["rows"][-2:]
    assert [(row["algorithm"], row["seeds"]) for row in rows] == [("PPO-10pct", 3), ("PPO", 3)]


def test_profiles_are_of_algorithms_over_tasks_on_one_scale():
    """Scores of PPO are 0 and 0.5 on one task, 1 and 2 on another whose rewards are larger."""
    large = {"random": 10.0, "greedy": 20.0}
    runs = [
        *(finished([reward], seed=seed) for seed, reward in enumerate((0.1, 0.3))),
        *(
            finished([reward], name="qa", env="lm_envs/QA-v0", baselines=large, seed=seed)
            for seed, reward in enumerate((20.0, 30.0))
        ),
    ]
    found = summarise(runs, None)["profiles"]
    assert found["scores"]["smoke"] == pytest.approx([0.0, 0.5])
    assert found["scores"]["qa"] == pytest.approx([1.0, 2.0])
    one = found["algorithms"]["PPO"]
    assert (one["tasks"], one["runs"]) == (2, 4)
    shares = dict(zip(found["taus"], one["share"], strict=True))  # of taus 0.01 apart
    assert (found["taus"][0], found["taus"][-1]) == (0.0, 2.0)
    assert [shares[tau] for tau in found["taus"][25::50]] == [0.75, 0.5, 0.25, 0.25]


def test_one_ruler_measures_all_who_are_in_one_environment():
    """The random policy has other luck with each seed; scores must not."""
    lucky = {"random": 0.3, "greedy": 0.5}
    runs = [finished([0.4]), finished([0.4], name="other", algorithm="A2C", baselines=lucky)]
    found = summarise(runs, None)["profiles"]
    assert found["rulers"]["smoke"] == {"random": 0.2, "best": 0.5, "policy": "greedy"}
    assert found["scores"]["smoke"] == found["scores"]["other"] == pytest.approx([2 / 3])


def test_a_task_whose_baselines_are_no_better_than_random_is_left_out_by_name():
    flat = {"random": 0.5, "greedy": 0.5}
    runs = [finished([0.4]), finished([0.4], name="flat", env="lm_envs/QA-v0", baselines=flat)]
    found = summarise(runs, None)["profiles"]
    assert (found["left_out"], list(found["scores"])) == (["flat"], ["smoke"])
    assert found["algorithms"]["PPO"]["runs"] == 1


def test_a_run_is_kept_by_its_configuration(tmp_path):
    assert sweep.folder_of(config(), tmp_path) == sweep.folder_of(config(), tmp_path)
    assert sweep.folder_of(config(), tmp_path) != sweep.folder_of(config(seed=1), tmp_path)


def test_two_runs_of_one_name_and_seed_are_refused():
    twice = {"runs": [{"config": str(SMOKE), "seeds": [0, 1, 0]}]}
    with pytest.raises(UserError, match="Got smoke-s0 twice in a sweep"):
        sweep.read_configs(sweep.SweepConfig.model_validate(twice))


def configs_of(**runs):
    entry = {"config": str(SMOKE), "seeds": [0, 1], **runs}
    return sweep.read_configs(sweep.SweepConfig.model_validate({"runs": [entry]}))


def test_each_share_is_a_run_whose_name_tells_it(tmp_path):
    found = configs_of(shares=[0.125, 1.0])
    assert [(c.name, c.seed, c.env.split) for c in found] == [
        *(("smoke-12.5pct", seed, "train[:12.5%]") for seed in (0, 1)),
        *(("smoke", seed, "train") for seed in (0, 1)),
    ]
    assert found[2:] == configs_of()


def test_a_share_twice_is_refused():
    with pytest.raises(UserError, match="Got smoke-50pct-s0 twice"):
        configs_of(shares=[0.5, 0.5])


@pytest.mark.parametrize("shares", [[0.0], [1.5], [-0.1], []])
def test_what_is_no_share_is_refused(tmp_path, shares):
    path = tmp_path / "sweep.yaml"
    entry = {"config": str(SMOKE), "seeds": [0], "shares": shares}
    path.write_text(yaml.safe_dump({"runs": [entry]}))
    with pytest.raises(UserError, match=r"Got runs\.0\.shares.*=.* in .*sweep\.yaml"):
        load_config(sweep.SweepConfig, path)


def test_shares_of_a_part_are_refused(tmp_path):
    part = tmp_path / "part.yaml"
    part.write_text(yaml.safe_dump(config(split="train[:10%]").model_dump()))
    with pytest.raises(UserError, match=r"shares of env\.split='train\[:10%\]' in .*whole split"):
        configs_of(config=str(part), shares=[0.5])


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


@pytest.mark.parametrize(("told", "threads"), [("3", "3"), (None, "2")])
def test_jobs_share_the_cores_unless_the_caller_says_otherwise(
    tmp_path, monkeypatch, told, threads
):
    taken = []

    def fail(command, env, **options):
        taken.append(env["OMP_NUM_THREADS"])
        return subprocess.CompletedProcess(command, 2, "", "error: no luck\n")

    monkeypatch.setattr(sweep.subprocess, "run", fail)
    monkeypatch.setattr(sweep.os, "cpu_count", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    with pytest.raises(UserError, match="no luck"):
        sweep.run_all([config()], tmp_path, jobs=2)
    assert taken == [threads]


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
