"""Runs that are killed with SIGKILL at random moments, and what has to hold after each kill."""

import csv
import json
import shutil
import time
import zipfile
from dataclasses import dataclass

import torch
import yaml
from safetensors import safe_open

from agents.runs import manifest
from tests.agents import commands
from tests.agents.exact_state import state

LONGEST_RUN = 600.0


@dataclass
class Tally:
    """Counts over all kills of a family."""

    kills: int = 0
    runs: int = 0
    most_repeated: int = 0
    after_checkpoint: int = 0


class Victim:
    """A command, its configuration file, its run folder, and the result without kills.

    Args:
        main: Name of a command, or a function; takes the file, `resume` and `options`.
        config: YAML file of the run.
        folder: Of the run; emptied for each new run.
        interval: Largest number of steps that a kill may cost.
        options: Further arguments of the command.
    """

    def __init__(self, main, config, folder, interval, options):
        self.main, self.config, self.folder = main, config, folder
        self.interval, self.options = interval, options
        self.log = config.with_suffix(".log")
        commands.warm_up()
        start = time.monotonic()
        process = self._start(resume=False)
        process.join(LONGEST_RUN)
        assert process.exitcode == 0, self.log.read_text()[-2000:]
        self.seconds = time.monotonic() - start
        self.expected = self.result()
        shutil.rmtree(folder)

    def result(self):
        """Every number of a finished run but its clock."""
        rows = [json.loads(line) for line in (self.folder / "metrics.jsonl").open()]
        return state(self.folder), [{k: v for k, v in r.items() if k != "seconds"} for r in rows]

    def kill(self, count, rng):
        """Kills and resumes new runs until there were `count` kills; returns the tally."""
        tally = Tally()
        while tally.kills < count:
            while not self._dies_or_finishes(tally, rng):
                self.check_files(tally)
            tally.runs += 1
            self._compare()
            shutil.rmtree(self.folder)
        return tally

    def check_files(self, tally):
        """Checks what a kill left: nothing torn, and no more lost than one interval."""
        folder = self.folder
        if not folder.is_dir():
            return
        for name in ("config.yaml", "versions.json", "checkpoints.json"):
            if (folder / name).is_file():
                yaml.safe_load((folder / name).read_text())  # JSON is YAML
        for path in [*folder.glob("*.pt"), *folder.glob("replay-*")]:
            manifest.check(path)
        for path in folder.glob("*.pt"):
            assert zipfile.ZipFile(path).testzip() is None
            torch.load(path, weights_only=True)
        for path in folder.glob("model/*.safetensors"):
            with safe_open(path, framework="pt") as file:
                assert file.keys()
        repeated = max(0, self._logged_step() - self._saved_step(tally))
        assert repeated <= self.interval
        tally.most_repeated = max(tally.most_repeated, repeated)

    def _saved_step(self, tally):
        """Step of the checkpoint; 0 if there is none."""
        if not (self.folder / "checkpoint.pt").is_file():
            return 0
        tally.after_checkpoint += 1
        saved = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        return saved.get("num_timesteps", saved.get("step"))

    def _logged_step(self):
        """Largest step in the log, whose last line may be torn; 0 if there is none."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.is_file() else []
        return max((json.loads(line)["step"] for line in lines), default=0)

    def _dies_or_finishes(self, tally, rng):
        """Starts or resumes the run, which is killed or finishes; returns whether it finished."""
        process = self._start(resume=self._can_resume())
        process.join(self.seconds * rng.uniform(0.1, 0.9))
        if process.exitcode is None:
            process.kill()
            process.join()
            tally.kills += 1
            return False
        assert process.exitcode == 0, self.log.read_text()[-2000:]
        return True

    def _can_resume(self):
        if self.main is commands.pretrain:  # its first checkpoint makes a run
            return (self.folder / "checkpoint.pt").is_file()
        return self.folder.is_dir()

    def _start(self, resume):
        self.log.unlink(missing_ok=True)
        return commands.start(self.main, self.log, self.config, resume=resume, **self.options)

    def _compare(self):
        """Checks that a finished run has every number of one without kills, and whole logs."""
        expected, rows = self.expected
        found, found_rows = self.result()
        assert found_rows == rows
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            equal = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
            assert equal(found[key], value), key
        if (self.folder / "progress.csv").is_file():
            header, *table = list(csv.reader((self.folder / "progress.csv").open(newline="")))
            assert all(len(row) == len(header) for row in table)
        assert not list(self.folder.rglob(".*.tmp"))
