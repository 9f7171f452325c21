import ctypes
import os
import resource
import signal
import sys
import time

import pytest
import torch

import agents.train
from agents.config.loading import Interrupted, UserError
from agents.config.pretrain import PretrainConfig
from agents.finetune import finetune
from agents.runs import manifest
from agents.runs.session import RunSession, stopped_at_once
from tests.agents.commands import CONTEXT, pretrain, run, start, wait_for, write_config
from tests.agents.finetune_run import VALUES as FINETUNE
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
    assert f"Got {number.name}: the run stops after this update" in output
    assert f"a checkpoint of step {step}; repeat the command with --resume" in output
    assert "Traceback" not in output
    assert step >= metrics(folder)[-1]["step"] > 0


def test_a_signal_in_a_supervised_stage_begins_it_again(tmp_path, checkpoint):
    """The stages before reinforcement learning are short, and have no checkpoint."""
    steps = {"steps": 200, "batch_size": 4}
    values = {**FINETUNE, "warm_start": steps, "total_timesteps": 32, "value_warm_up": 0}
    config = small_config(checkpoint, **{k: v for k, v in values.items() if k != "env"})
    file, options = write_config(tmp_path / "config.yaml", config), {"runs": tmp_path}
    process = start("finetune", tmp_path / "log", file, **options)
    wait_for(has_rows(tmp_path / "test-s0", 3))
    process.terminate()
    process.join(60)
    assert process.exitcode == 143
    output = (tmp_path / "log").read_text()
    assert "before its first checkpoint; repeat the command with --resume to start it" in output
    code, _ = run("finetune", tmp_path / "log", file, resume=True, **options)
    assert code == 0
    finetune(config, tmp_path / "whole")
    rows = [metrics(runs / "test-s0") for runs in (tmp_path, tmp_path / "whole")]
    assert rows[0] == rows[1]


def without_privileges(config, **options):
    """Trains with the permissions of other users: the capabilities of root are dropped."""
    version, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(version, none) == 0
    agents.train.main(config, **options)


def on_a_full_disk(config, **options):
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    agents.train.main(config, **options)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
@pytest.mark.parametrize("main", [without_privileges, on_a_full_disk])
def test_a_full_or_closed_folder_is_one_line_and_keeps_the_checkpoint(tmp_path, main):
    """Regressions: a full disk was a traceback; so is a quota, which is the same error."""
    config, options = write_config(tmp_path / "c.yaml", changed()), {"runs": tmp_path / "runs"}
    agents.train.train(changed(total_timesteps=128), tmp_path / "runs")
    checkpoint = tmp_path / "runs" / "test-s0" / "checkpoint.pt"
    before = checkpoint.read_bytes()
    checkpoint.parent.chmod(0o555 if main is without_privileges else 0o755)
    code, output = run(main, tmp_path / "log", config, resume=True, **options)
    assert code == 2
    assert "Traceback" not in output
    assert output.count("error: ") == 1
    assert checkpoint.read_bytes() == before
    manifest.check(checkpoint)


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


def wait_for_a_signal(number):
    with stopped_at_once("Stopped; repeat the command to begin it again."):
        os.kill(os.getpid(), number)
        time.sleep(5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_work_that_has_nothing_to_save_is_stopped_at_once(number):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="begin it again") as stopped:
        wait_for_a_signal(number)
    assert stopped.value.number == number
    assert signal.getsignal(number) is before
