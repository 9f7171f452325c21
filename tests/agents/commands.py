"""Commands of `agents` in processes of their own, which start within a fraction of a second.

They are forked from a server that has imported torch and everything else, but computed nothing.
"""

import importlib
import multiprocessing
import os
import time
from pathlib import Path

import yaml

from agents.corpus import streams

CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = ("train", "finetune", "pretrain", "distill", "loop", "rate", "tune.__main__")
CONTEXT.set_forkserver_preload([f"agents.{name}" for name in PRELOADED])


def warm_up():
    """Starts the server from which processes are forked; its imports take seconds."""
    process = CONTEXT.Process(target=int)
    process.start()
    process.join()


def start(command, log, *args, **options):
    """Starts a command of `PRELOADED`, or a function; its output is appended to `log`."""
    process = CONTEXT.Process(target=_main, args=(command, log, args, options))
    process.start()
    return process


def run(command, log, *args, **options):
    """Runs a command to its end; returns its exit code and all output in `log`."""
    process = start(command, log, *args, **options)
    process.join(120)
    return process.exitcode, Path(log).read_text()


def write_config(path, config):
    """Writes a configuration as the YAML file of a command."""
    path.write_text(yaml.safe_dump(config.model_dump()))
    return path


def wait_for(condition, seconds=60.0):
    """Waits until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not hold in time"
        time.sleep(0.01)


def _main(command, log, args, options):
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if isinstance(command, str):
        name = next(name for name in PRELOADED if name.split(".")[0] == command)
        command = importlib.import_module(f"agents.{name}").main
    command(*args, **options)


def pretrain(config, **options):
    """`agents.pretrain` on a corpus of one sentence, which is read within milliseconds."""
    streams.documents = lambda part, split: ["the cat sat on a mat"] * 90
    importlib.import_module("agents.pretrain").main(config, **options)
