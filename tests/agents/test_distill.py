"""`agents.distill`: agents of several kinds teach the model."""

import pytest

from agents.config.loading import UserError
from agents.distill import RESULTS, distill, main
from tests.agents.commands import run, start, wait_for
from tests.agents.finished_run import CONFIG
from tests.agents.imitation.small import FEW, finished_run


def test_an_agent_without_a_distribution_teaches_the_model(checkpoint, tmp_path, capsys):
    kwargs = {"buffer_size": 100, "learning_starts": 10}
    algorithm = CONFIG.algorithm.model_copy(update={"name": "DQN", "kwargs": kwargs})
    folder, _ = finished_run(checkpoint, tmp_path, algorithm=algorithm)
    result = distill(folder, FEW)
    assert result["model"] == str(folder / RESULTS / "model")
    assert set(result["stages"]) == {"base", "distilled"}
    main(folder, [f"{key}={value}" for key, value in FEW.model_dump().items()])
    shown = capsys.readouterr().out
    assert "distilled" in shown
    assert f"JSON: {folder / RESULTS / 'distill.json'}" in shown


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"which has no checkpoint\.pt"):
        distill(tmp_path, FEW)


def test_a_signal_ends_a_distillation_which_begins_again(checkpoint, tmp_path):
    """Regression: Ctrl-C and SIGTERM ended it without a word, and two processes wrote at once."""
    folder, _ = finished_run(checkpoint, tmp_path)
    assignments = ["prompts=12", "batch_size=4", "steps=10000000"]
    process = start("distill", tmp_path / "log", folder, assignments)
    wait_for((folder / RESULTS / ".lock").is_file)
    code, output = run("distill", tmp_path / "other", folder, assignments)
    assert code == 2
    assert output.startswith(f"error: Got {folder / RESULTS}, which another process is writing")
    process.terminate()
    process.join(60)
    output = (tmp_path / "log").read_text()
    assert process.exitcode == 143
    assert f"Stopped the distillation of {folder}" in output
    assert "repeat the command to begin it again" in output
    assert "Traceback" not in output
    assert not (folder / RESULTS / "model").exists()
    assert distill(folder, FEW)["model"] == str(folder / RESULTS / "model")
