"""From run folders to a table, scores and texts."""

import gzip
import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from agents.finetune import finetune
from benchmarks.finetuned import command
from benchmarks.finetuned.command import table
from lm_envs.transcript import Transcript
from tests.agents.finetune_run import small_config


def run(*arguments):
    app = typer.Typer()
    app.command()(command.main)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_one_command_writes_scores_a_table_and_texts(checkpoint, tmp_path, monkeypatch):
    config = small_config(checkpoint, stop_at_reward=-10.0, warm_start=None)
    finetune(config, tmp_path)
    folder = tmp_path / config.folder_name
    monkeypatch.chdir(tmp_path)
    result = run(folder, "--beside", f"again={folder}", "--episodes", 3, "--samples", 2)
    assert result.exit_code == 0, result.output
    (output,) = (tmp_path / "benchmarks" / "results").glob(f"*/{config.name}")
    document = json.loads(gzip.decompress((output / "evaluation.json.gz").read_bytes()))
    assert document["seeds"] == {"agent": [config.seed], "again": [config.seed]}
    assert len(document["prompt_scores"]["again"]["reward"][0]) == 3
    assert "| again | 1 |" in (output / "table.md").read_text()
    assert (output / "samples.md").read_text().count("base, greedy (") == 2


@pytest.mark.parametrize("given", ["supervised", "agent=runs/a", "supervised="])
def test_other_runs_need_a_name_of_their_own(given, tmp_path):
    result = run(tmp_path, "--output", tmp_path, "--beside", given)
    assert result.exit_code == 2
    assert f"Got --beside {given!r}; allowed: NAME=RUN" in " ".join(result.stderr.split())


def test_partly_right_answers_do_not_count_as_solved():
    none = np.zeros(0)
    texts = [
        Transcript(
            "1 + 1 =", text, "2", none, none, none, none, (), "complete", {"verified": score}, ()
        )
        for text, score in ((" 2", 1.0), (" 2 or 3", 0.2))
    ]
    interval = {"mean": 0.6, "interval": (0.5, 0.7)}
    summary = {"policies": {"agent": {"reward": interval}}, "agent_ahead": {}}
    assert "| agent | 1 | 0.600 ± 0.100 | 0.500 | 1.000 |" in table(summary, {"agent": [texts]})
