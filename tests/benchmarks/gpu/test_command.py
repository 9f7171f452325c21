"""The rehearsal of all sections, as `python -m benchmarks gpu --device cpu --small` runs it."""

import json
import os
import subprocess
import sys

import pytest
import torch

from benchmarks.gpu.registry import SECTIONS


def run_gpu(*arguments):
    command = [sys.executable, "-m", "benchmarks", "gpu", *arguments]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=env)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    output = tmp_path_factory.mktemp("results")
    done = run_gpu("--device", "cpu", "--small", "--output", str(output))
    assert done.returncode == 0, done.stderr
    (path,) = output.rglob("gpu.json")
    return done, json.loads(path.read_text()), path.with_name("gpu.md").read_text()


def test_all_sections_are_rehearsed_without_an_error(rehearsal):
    _, document, _ = rehearsal
    states = {each["name"]: (each["state"], each["error"]) for each in document["sections"]}
    assert states == dict.fromkeys(SECTIONS, ("done", None))
    notes = {row["note"] for row in document["rows"] if row.get("note")}
    assert notes <= {"not installed", "compiled on CUDA only"}


def test_every_section_has_rows_with_its_figures(rehearsal):
    rows = {}
    for row in rehearsal[1]["rows"]:
        rows.setdefault(row["section"], []).append(row)
    assert set(rows) == set(SECTIONS)
    engines = [row for row in rows["engine"] if row["what"] == "engine"]
    assert min(row["tokens_per_s"] for row in engines) > 0
    assert all(0 <= row["host_share"] <= 1 for row in rows["environment"])
    assert rows["environment"][0]["share_of_engine"] > 0
    assert rows["rivals"][0]["engine_speedup"] > 0
    assert rows["ppo"][0]["steps_per_s"] > 0
    assert rows["lm_ppo"][0]["tokens_per_s"] > 0
    assert set(rows["lm_ppo"][-1]["rewards"]) == {"base", "warm start", "reinforced"}
    assert 0 < rows["learning"][0]["held_out_reward"] < 1
    assert rows["profile"][0]["count"] > 10
    assert rows["tests"][0]["exit_code"] == 0


def test_page_and_lines_have_the_same_rows(rehearsal):
    done, document, page = rehearsal
    assert "A rehearsal with tiny sizes: no figure means anything." in page
    assert all(f"## {name}\n" in page for name in SECTIONS)
    lines = done.stdout.splitlines()
    assert sum("] engine: engine, model=embedded" in line for line in lines) == 2
    assert json.loads(lines[-1])["sections"] == document["sections"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "foo"], "Got --only 'foo'; allowed: machine, tests"),
        (["--device", "tpu"], "Got --device 'tpu'; allowed: cuda, cpu."),
        pytest.param(
            ["--only", "machine"],
            "allowed here: --device cpu --small, a rehearsal.",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here"),
        ),
    ],
)
def test_wrong_argument_is_one_line(arguments, message, tmp_path):
    done = run_gpu(*arguments, "--output", str(tmp_path))
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
