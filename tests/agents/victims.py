"""The commands that are killed: runs with checkpoints, distillations, loops, studies, ratings."""

import contextlib
import csv
import json
import sqlite3
import threading
import time
import zipfile

import torch
import yaml
from safetensors import safe_open

from agents.runs import manifest
from agents.runs.logs import read_metrics
from lm_envs.tasks.ratings import RatingStore
from tests.agents import commands
from tests.agents.exact_state import state
from tests.agents.killing import Victim
from tests.agents.rating.rating_server import RATER, HttpRater


def check_whole(folder):
    """Checks that every file of a folder is whole; the last line of a log may be torn."""
    for path in [*folder.rglob("*.yaml"), *folder.rglob("*.json")]:
        yaml.safe_load(path.read_text())  # JSON is YAML
    for path in folder.rglob("*.pt"):
        manifest.check(path)
        assert zipfile.ZipFile(path).testzip() is None
        torch.load(path, weights_only=True)
    for path in folder.rglob("*.safetensors"):
        manifest.check(path)
        with safe_open(path, framework="pt") as file:
            assert file.keys()
    for path in folder.rglob("*.jsonl"):
        for line in path.read_text().split("\n")[:-1]:
            json.loads(line)


CLOCKS = ("seconds", "time/time_elapsed", "time/fps", "time/iterations")
"""Columns of logs that no two runs share; Stable-Baselines3 counts iterations from each start."""


def without_clocks(row):
    return {key: value for key, value in row.items() if key not in CLOCKS}


class RunVictim(Victim):
    """A run with checkpoints: `agents.train`, `agents.finetune` or `agents.pretrain`.

    Args:
        main: Name of a command, or a function; takes the file, `resume` and `options`.
        config: YAML file of the run.
        folder: Of the run.
        interval: Largest number of steps that a kill may cost.
        options: Further arguments of the command.
    """

    def __init__(self, main, config, folder, interval, options):
        self.main, self.config = main, config
        self.interval, self.options = interval, options
        super().__init__(folder, config.with_suffix(".log"))

    def start(self):
        # The first checkpoint of a pretraining run makes it one.
        mark = "checkpoint.pt" if self.main is commands.pretrain else "."
        resume = (self.folder / mark).exists()
        return commands.start(self.main, self.log, self.config, resume=resume, **self.options)

    def result(self):
        """Every number of the checkpoint and of both logs but their clocks."""
        numbers = {
            key: value.tolist() if isinstance(value, torch.Tensor) else value
            for key, value in state(self.folder).items()
        }
        path = self.folder / "progress.csv"
        table = list(csv.DictReader(path.open(newline=""))) if path.is_file() else []
        assert all(None not in row and None not in row.values() for row in table)
        logs = {"metrics": read_metrics(self.folder), "progress": table}
        return numbers | {name: list(map(without_clocks, rows)) for name, rows in logs.items()}

    def check_files(self, tally):
        if not self.folder.is_dir():
            return
        check_whole(self.folder)
        steps = [row["step"] for row in read_metrics(self.folder)]
        repeated = max(0, max(steps, default=0) - self._saved_step(tally))
        assert repeated <= self.interval
        tally.most_repeated = max(tally.most_repeated, repeated)

    def _saved_step(self, tally):
        """Step of the checkpoint; 0 if there is none."""
        if not (self.folder / "checkpoint.pt").is_file():
            return 0
        tally.after_checkpoint += 1
        saved = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        return saved.get("num_timesteps", saved.get("step"))


class DistillationVictim(Victim):
    """`agents.distill`, which begins again after a kill."""

    def __init__(self, run, settings, folder):
        self.run = run
        self.assignments = [f"{key}={value}" for key, value in settings.model_dump().items()]
        super().__init__(folder, folder.with_suffix(".log"))

    def start(self):
        return commands.start("distill", self.log, self.run, self.assignments, output=self.folder)

    def check_files(self, tally):
        check_whole(self.folder)
        if (self.folder / "distill.json").is_file():
            tally.after_checkpoint += 1
            assert self.result() == self.expected

    def result(self):
        """All files but the lock."""
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return {path.name: path.read_bytes() for path in found if path.name != ".lock"}


class LoopVictim(Victim):
    """`agents.loop`, which goes on with its unfinished round."""

    def __init__(self, config, runs, folder):
        self.config, self.runs = config, runs
        super().__init__(folder, config.with_suffix(".log"))

    def start(self):
        resume = (self.folder / "loop.yaml").is_file()
        return commands.start("loop", self.log, self.config, resume=resume, runs=self.runs)

    def check_files(self, tally):
        check_whole(self.folder)
        tally.after_checkpoint += bool(self._rounds())

    def result(self):
        models = self.folder.rglob("distilled/model/model.safetensors")
        found = {str(path): path.read_bytes() for path in models}
        return found | {"rounds": self._rounds()}

    def _rounds(self):
        path = self.folder / "loop.jsonl"
        return path.read_text() if path.is_file() else ""


class StudyVictim(Victim):
    """`agents.tune`, which repeats the trial that was running."""

    def __init__(self, config, folder, trials):
        self.config, self.trials = config, trials
        super().__init__(folder, config.with_suffix(".log"))

    def start(self):
        options = {"study": self.folder, "trials": self.trials, "startup": 100}
        return commands.start("tune", self.log, self.config, **options)

    def check_files(self, tally):
        for each in (self.folder / "trials").glob("*-s*"):
            check_whole(each)
        tally.after_checkpoint += bool(self._trials("COMPLETE"))

    def result(self):
        """The first trial, whose values are given, and how many others there are."""
        first = self._trials("COMPLETE")[:1]
        assert not self._trials("RUNNING")
        return {"first": first, "trials": len(self._trials("COMPLETE"))}

    def _trials(self, state):
        path = self.folder / "study.sqlite"
        if not path.is_file():
            return []
        with contextlib.closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            with contextlib.suppress(sqlite3.OperationalError):  # killed before it made its tables
                return database.execute(
                    "SELECT value FROM trials JOIN trial_values USING (trial_id) "
                    "WHERE state = ? ORDER BY number"
                    if state == "COMPLETE"
                    else "SELECT number FROM trials WHERE state = ?",
                    (state,),
                ).fetchall()
        return []


class RatingVictim(Victim):
    """`agents.rate` while a simulated rater rates every pair; no answered rating may be lost."""

    def __init__(self, prompts, folder, pairs):
        self.prompts, self.pairs, self.store = prompts, pairs, folder / "ratings.sqlite"
        super().__init__(folder, folder.with_suffix(".log"))

    def start(self):
        self.folder.mkdir(exist_ok=True)
        self.answered = self._ratings()
        options = {"store": self.store, "num_pairs": self.pairs, "port": 0, "rater": [RATER]}
        prompts = str(self.prompts)
        process = commands.start("rate", self.log, "embedded", prompts=prompts, **options)
        threading.Thread(target=self._rate_all, args=(process,)).start()
        return process

    def check_exit(self, process):
        assert process.exitcode == -15, self.log.read_text()[-2000:]

    def check_files(self, tally):
        if self.store.is_file():
            with contextlib.closing(sqlite3.connect(self.store)) as database:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = self._ratings()
        assert self.answered <= stored <= self.answered + 1  # one was stored and not answered
        tally.after_checkpoint += bool(stored)
        tally.most_repeated = max(tally.most_repeated, stored - self.answered)

    def result(self):
        store = RatingStore(self.store)
        rated = [rating.item for rating in store.ratings]
        pairs = [(pair.first, pair.second) for pair in store.pairs]
        assert sorted(rated) == sorted(pairs)  # every pair, and none twice
        return {"texts": list(store.texts.values()), "pairs": pairs}

    def _ratings(self):
        if not self.store.is_file():
            return 0
        store = RatingStore(self.store)
        try:
            return len(store.ratings)
        finally:
            store.close()

    def _rate_all(self, process):
        """Rates until all pairs are rated, which ends the server, or until it is killed."""
        with contextlib.suppress(OSError, ValueError):  # the server was killed
            while not (self.log.is_file() and "ratings go to" in self.log.read_text()):
                if not process.is_alive():
                    return
                time.sleep(0.01)
            rater = HttpRater(self.log.read_text().split()[0])
            while rater.state()["done"] < self.pairs:
                status, _ = rater.rate(rater.state()["item"], "left")
                self.answered += status == 200
            process.terminate()
