"""The runs of a sweep file: configurations, folders, resuming and errors."""

import subprocess

import pytest
import yaml

from agents.config.loading import UserError, load_config
from benchmarks.learning import sweep
from tests.agents.finetune_run import small_config
from tests.benchmarks.finished_runs import SMOKE, config


def test_run_folder_depends_on_the_configuration(tmp_path):
    assert sweep.run_folder(config(), tmp_path) == sweep.run_folder(config(), tmp_path)
    assert sweep.run_folder(config(), tmp_path) != sweep.run_folder(config(seed=1), tmp_path)


def test_repeated_name_and_seed_is_refused():
    twice = {"runs": [{"config": str(SMOKE), "seeds": [0, 1, 0]}]}
    with pytest.raises(UserError, match="Got smoke-s0 twice in a sweep"):
        sweep.make_configs(sweep.SweepConfig.model_validate(twice))


def configs_of(**runs):
    entry = {"config": str(SMOKE), "seeds": [0, 1], **runs}
    return sweep.make_configs(sweep.SweepConfig.model_validate({"runs": [entry]}))


def test_each_share_is_a_run_with_the_share_in_its_name(tmp_path):
    found = configs_of(shares=[0.125, 1.0])
    assert [(c.name, c.seed, c.env.split) for c in found] == [
        *(("smoke-12.5pct", seed, "train[:12.5%]") for seed in (0, 1)),
        *(("smoke", seed, "train") for seed in (0, 1)),
    ]
    assert found[2:] == configs_of()


def test_set_overrides_the_file_and_the_label_is_in_the_name():
    update = {"name": "smoke-longer", "total_timesteps": 9_999}
    entry = {"set": ["total_timesteps=9999"], "label": "longer"}
    assert configs_of(**entry) == [c.model_copy(update=update) for c in configs_of()]
    both = [{"config": str(SMOKE), "seeds": [0], **own} for own in ({}, entry)]
    settings = sweep.SweepConfig.model_validate({"runs": both})
    assert sweep.run_labels(settings) == {"smoke-longer": "longer"}


def test_misspelled_key_of_runs_is_refused_by_name(tmp_path):
    path = tmp_path / "sweep.yaml"
    entry = {"config": str(SMOKE), "seeds": [0], "lable": "longer"}
    path.write_text(yaml.safe_dump({"runs": [entry]}))
    with pytest.raises(UserError, match=r"unknown key 'runs\.0\.lable'.*Did you mean 'label'\?"):
        load_config(sweep.SweepConfig, path)


@pytest.mark.parametrize("line", ["seed=7", "seed: 7"])
def test_seed_in_set_is_refused(line):
    with pytest.raises(UserError, match="seed"):
        configs_of(set=[line])


def test_repeated_share_is_refused():
    with pytest.raises(UserError, match="Got smoke-50pct-s0 twice"):
        configs_of(shares=[0.5, 0.5])


@pytest.mark.parametrize("shares", [[0.0], [1.5], [-0.1], []])
def test_share_outside_0_to_1_is_refused(tmp_path, shares):
    path = tmp_path / "sweep.yaml"
    entry = {"config": str(SMOKE), "seeds": [0], "shares": shares}
    path.write_text(yaml.safe_dump({"runs": [entry]}))
    with pytest.raises(UserError, match=r"Got runs\.0\.shares.*=.* in .*sweep\.yaml"):
        load_config(sweep.SweepConfig, path)


def test_shares_of_a_part_of_a_split_are_refused(tmp_path):
    part = tmp_path / "part.yaml"
    part.write_text(yaml.safe_dump(config(split="train[:10%]").model_dump()))
    with pytest.raises(UserError, match=r"shares of env\.split='train\[:10%\]' in .*whole split"):
        configs_of(config=str(part), shares=[0.5])


def test_interrupted_run_is_resumed_and_failed_run_is_named(tmp_path, monkeypatch):
    commands = []

    def fail(command, **options):
        commands.append(command)
        return subprocess.CompletedProcess(command, 2, "", "error: no luck\n")

    monkeypatch.setattr(sweep.subprocess, "run", fail)
    for folder in (None, sweep.run_folder(config(), tmp_path) / "smoke-s0"):
        if folder:
            folder.mkdir()
        with pytest.raises(UserError, match=r"exit code 2 from smoke-s0 in .*: error: no luck"):
            sweep.run_all([config()], tmp_path, jobs=1)
    assert ["--resume" in command for command in commands] == [False, True]


@pytest.mark.parametrize(("variable", "threads"), [("3", "3"), (None, "2")])
def test_jobs_share_the_cores_unless_the_environment_sets_the_threads(
    tmp_path, monkeypatch, variable, threads
):
    taken = []

    def fail(command, env, **options):
        taken.append(env["OMP_NUM_THREADS"])
        return subprocess.CompletedProcess(command, 2, "", "error: no luck\n")

    monkeypatch.setattr(sweep.subprocess, "run", fail)
    monkeypatch.setattr(sweep.os, "cpu_count", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    with pytest.raises(UserError, match="no luck"):
        sweep.run_all([config()], tmp_path, jobs=2)
    assert taken == [threads]


def test_a_run_that_is_named_twice_is_trained_once(tmp_path, monkeypatch):
    commands = []

    def fail(command, **options):
        commands.append(command)
        return subprocess.CompletedProcess(command, 2, "", "error: no luck\n")

    monkeypatch.setattr(sweep.subprocess, "run", fail)
    other = config().model_copy(update={"seed": 1})
    with pytest.raises(UserError, match=r"smoke-s0 .*smoke-s1 "):
        sweep.run_all([config(), other, config()], tmp_path, jobs=1)
    assert len(commands) == 2


def test_a_run_that_finetunes_is_trained_by_its_own_program(checkpoint, tmp_path):
    path = tmp_path / "small.yaml"
    values = small_config(checkpoint, total_timesteps=32, warm_start=None).model_dump()
    path.write_text(yaml.safe_dump(values))
    settings = sweep.SweepConfig.model_validate({"runs": [{"config": str(path), "seeds": [0]}]})
    (run,) = sweep.run_all(sweep.make_configs(settings), tmp_path / "runs", jobs=1)
    assert run.result["stages"].keys() == {"base", "reinforced"}
    assert run.log[-1]["stage"] == "reinforced"
