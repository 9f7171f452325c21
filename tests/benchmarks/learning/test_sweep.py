"""Which runs a sweep file asks for, and how they are kept, resumed and refused."""

import subprocess

import pytest
import yaml

from agents.config.loading import UserError, load_config
from benchmarks.learning import sweep
from tests.benchmarks.finished_runs import SMOKE, config


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


def test_what_is_set_differs_from_the_file_and_the_label_tells_so():
    update = {"name": "smoke-longer", "total_timesteps": 9_999}
    entry = {"set": ["total_timesteps=9999"], "label": "longer"}
    assert configs_of(**entry) == [c.model_copy(update=update) for c in configs_of()]
    both = [{"config": str(SMOKE), "seeds": [0], **own} for own in ({}, entry)]
    settings = sweep.SweepConfig.model_validate({"runs": both})
    assert sweep.labels_of(settings) == {"smoke-longer": "longer"}


def test_a_misspelt_key_of_runs_is_refused_by_name(tmp_path):
    path = tmp_path / "sweep.yaml"
    entry = {"config": str(SMOKE), "seeds": [0], "lable": "longer"}
    path.write_text(yaml.safe_dump({"runs": [entry]}))
    with pytest.raises(UserError, match=r"unknown key 'runs\.0\.lable'.*Did you mean 'label'\?"):
        load_config(sweep.SweepConfig, path)


@pytest.mark.parametrize("line", ["seed=7", "seed: 7"])
def test_a_seed_that_is_set_is_refused(line):
    with pytest.raises(UserError, match="seed"):
        configs_of(set=[line])


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
