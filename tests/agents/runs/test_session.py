import os
import signal

import pytest
import torch

from agents.config.loading import Interrupted, UserError
from agents.config.pretrain import PretrainConfig
from agents.runs.session import RunSession
from tests.agents.commands import CONTEXT, pretrain, run, start, wait_for, write_config
from tests.agents.finetune_run import small_config
from tests.agents.finished_run import changed, metrics
from tests.agents.pretrain_run import VALUES

LONG = 1_000_000


def long_run(command, tmp_path, checkpoint):
    """A configuration file that trains for hours, further options, and its run folder."""
    options = {"runs": tmp_path}
    if command == "train":
        config = changed(total_timesteps=LONG, checkpoint_every=LONG)
    elif command == "finetune":
        config = small_config(checkpoint, total_timesteps=LONG, checkpoint_every=LONG)
    else:
        values = VALUES | {"run": str(tmp_path / "test-s0"), "num_steps": LONG}
        config = PretrainConfig.model_validate(
            values | {"context": 8, "log_every": 1, "checkpoint_every": LONG}
        )
        options = {}
    return write_config(tmp_path / "config.yaml", config), options, tmp_path / "test-s0"


def has_rows(folder, count):
    path = folder / "metrics.jsonl"
    return lambda: path.is_file() and path.read_text().count("\n") >= count


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("train", signal.SIGTERM, 143),
        ("finetune", signal.SIGINT, 130),
        ("pretrain", signal.SIGTERM, 143),
    ],
)
def test_a_signal_saves_a_checkpoint_and_tells_how_to_resume(
    tmp_path, checkpoint, command, number, code
):
    """Regression: Ctrl-C and SIGTERM lost everything since the last checkpoint, without a word."""
    config, options, folder = long_run(command, tmp_path, checkpoint)
    main = pretrain if command == "pretrain" else command
    process = start(main, tmp_path / "log", config, **options)
    wait_for(has_rows(folder, 6))
    os.kill(process.pid, number)
    process.join(60)
    output = (tmp_path / "log").read_text()
    assert process.exitcode == code
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    step = state.get("num_timesteps", state.get("step"))
    assert f"Got {number.name}: the run saves a checkpoint" in output
    assert f"a checkpoint of step {step}; repeat the command with --resume" in output
    assert "Traceback" not in output
    assert step >= metrics(folder)[-1]["step"] > 0


def test_a_folder_that_is_deleted_or_in_use_stops_with_one_line(tmp_path, checkpoint):
    """Regressions: two processes wrote into one folder; a deleted one came back without config."""
    config, options, folder = long_run("train", tmp_path, checkpoint)
    first = start("train", tmp_path / "first", config, **options)
    wait_for(has_rows(folder, 1))
    for resume in (False, True):
        code, output = run("train", tmp_path / f"{resume}", config, resume=resume, **options)
        assert code == 2
        assert output.startswith(f"error: Got {folder}, which another process is writing")
        assert output.count("\n") == 1
    folder.rename(tmp_path / "elsewhere")
    first.join(60)
    assert first.exitcode == 2
    assert "the folder was deleted, moved or replaced" in (tmp_path / "first").read_text()
    assert not folder.exists()


def hold(folder, ready):
    with RunSession(folder):
        ready.set()
        signal.pause()


def test_a_kill_releases_the_lock_and_the_next_start_removes_its_temporary_files(tmp_path):
    ready = CONTEXT.Event()
    process = CONTEXT.Process(target=hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(60)
    with pytest.raises(UserError, match="another process is writing"), RunSession(tmp_path):
        pass
    left = tmp_path / f".checkpoint.pt.{process.pid}.tmp"
    left.write_text("part")
    process.kill()
    process.join()
    (tmp_path / ".mine.tmp").touch()
    with RunSession(tmp_path):
        assert not left.exists()
        assert (tmp_path / ".mine.tmp").exists()


def test_a_second_signal_stops_at_once_and_handlers_come_back(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with RunSession(tmp_path) as session:
        session.stop_if_asked(5)
        os.kill(os.getpid(), signal.SIGINT)
        assert session.is_stopping
        with pytest.raises(Interrupted, match="at once by a second signal"):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted, match="checkpoint of step 7"):
            session.stop_if_asked(7)
        with pytest.raises(Interrupted, match="before its first checkpoint"):
            session.stop_if_asked()
    assert signal.getsignal(signal.SIGINT) is before
