"""`agents.loop`: rounds of an agent and of the model that learns from it."""

import json
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from agents.config.loading import UserError
from agents.loop import loop, main
from tests.agents.commands import write_config
from tests.agents.imitation.small import FEW, small_loop


@pytest.fixture(scope="module")
def whole(checkpoint, tmp_path_factory):
    """The result of two rounds without an interruption."""
    return loop(small_loop(checkpoint), tmp_path_factory.mktemp("whole"))


def test_each_round_begins_with_the_model_of_the_one_before(whole):
    first, second = whole["rounds"]
    stored = yaml.safe_load((Path(whole["run"]) / "round2-s0" / "config.yaml").read_text())
    assert stored["env"]["kwargs"]["model"] == first["model"]
    assert second["before"] == first["reward"]
    assert whole["model"] == second["model"] != first["model"]


def test_a_reached_reward_ends_the_loop_and_a_resumed_one_goes_on(checkpoint, whole, tmp_path):
    config = small_loop(checkpoint)
    ended = loop(small_loop(checkpoint, stop_at_reward=-10.0), tmp_path)
    assert len(ended["rounds"]) == 1
    with pytest.raises(UserError, match=r"Got a loop at .* already"):
        loop(config, tmp_path)
    other = small_loop(checkpoint, imitation=FEW.model_copy(update={"steps": 4}))
    with pytest.raises(UserError, match=r"another configuration .* allowed to change: rounds"):
        loop(other, tmp_path, resume=True)
    joined = loop(config, tmp_path, resume=True)
    rewards = [[row["reward"] for row in each["rounds"]] for each in (whole, joined)]
    assert rewards[0] == rewards[1]
    assert (
        json.loads((tmp_path / "turns-s0" / "result.json").read_text())["rounds"]
        == joined["rounds"]
    )
    lines = (tmp_path / "turns-s0" / "loop.jsonl").read_text().splitlines()
    assert [json.loads(line)["round"] for line in lines] == [1, 2]


def test_a_loop_whose_folder_another_process_writes_is_refused(checkpoint, tmp_path):
    (folder := tmp_path / "turns-s0").mkdir()
    with FileLock(folder / ".lock"), pytest.raises(UserError, match="another process is writing"):
        loop(small_loop(checkpoint), tmp_path)
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_resume_without_a_loop_is_refused_and_makes_no_folder(checkpoint, tmp_path):
    with pytest.raises(UserError, match="Got --resume, but there is no"):
        loop(small_loop(checkpoint), tmp_path, resume=True)
    assert not list(tmp_path.iterdir())


def test_the_command_prints_a_table_and_json_on_request(checkpoint, tmp_path, capsys):
    config = write_config(tmp_path / "loop.yaml", small_loop(checkpoint, rounds=1))
    main(config, runs=tmp_path)
    shown = capsys.readouterr().out
    assert "model after, greedy" in shown
    assert max(map(len, shown.split("\n\n")[0].splitlines())) <= 80
    main(config, runs=tmp_path, resume=True, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "turns-s0" / "result.json").read_text())
