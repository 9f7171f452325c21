import json

import typer
import yaml
from typer.testing import CliRunner

from agents.baselines.__main__ import main
from tests.agents.finetune_run import small_config
from tests.agents.finished_run import CONFIG


def test_the_command_names_the_strongest_and_writes_the_score_of_each_prompt(tmp_path):
    file, output = tmp_path / "config.yaml", tmp_path / "found.json"
    file.write_text(yaml.safe_dump(json.loads(CONFIG.model_dump_json())))
    app = typer.Typer()
    app.command()(main)
    arguments = [str(file), "--episodes", "8", "--output", str(output)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    found = json.loads(output.read_text())
    strongest = found["baselines"]["strongest"]
    assert f"strongest, as chosen on validation: {strongest}" in shown.output
    assert found["baselines"]["chosen_on"] == "validation"
    assert len(found["prompt_scores"]["greedy"]["reward"][0]) == found["prompts"] == 8


def test_only_the_named_baselines_of_a_run_that_finetunes_are_run(checkpoint, tmp_path):
    file = tmp_path / "config.yaml"
    config = small_config(checkpoint).model_dump()
    file.write_text(yaml.safe_dump({**config, "evaluation": {"split": "validation"}}))
    app = typer.Typer()
    app.command()(main)
    arguments = [str(file), "--episodes", "8", "--json", "--only", "greedy", "--only", "random"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["prompt_scores"].keys() == {"greedy", "random"}
    wrong = CliRunner().invoke(app, [*arguments, "--only", "gredy"])
    assert "Got baseline='gredy'; allowed" in " ".join(wrong.output.split())
