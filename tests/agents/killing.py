"""Commands that are killed with SIGKILL at random moments, and what has to hold after each kill.

The harness that all victims share; `tests.agents.victims` has one class for each kind of command.
"""

import shutil
import time
from dataclasses import dataclass

from tests.agents import commands

LONGEST_RUN = 600.0


@dataclass
class Tally:
    """Counts over all kills of a family."""

    kills: int = 0
    runs: int = 0
    most_repeated: int = 0
    after_checkpoint: int = 0


class Victim:
    """A command that is killed and begun again until it has finished.

    Subclasses implement `start`, `check_files` and `result`.

    Args:
        folder: All that the command writes; deleted for each new run.
        log: File of the command's output.

    Attributes:
        expected: `result` of a run that was not killed.
        seconds: What that run took.
    """

    def __init__(self, folder, log):
        self.folder, self.log = folder, log
        commands.warm_up()
        start = time.monotonic()
        process = self.start()
        process.join(LONGEST_RUN)
        self.check_exit(process)
        self.seconds = time.monotonic() - start
        self.expected = self.result()
        shutil.rmtree(folder)

    def start(self):
        """Starts the command, or resumes it if the folder holds something to resume."""
        raise NotImplementedError

    def check_files(self, tally):
        """Checks what a kill left: nothing torn, and no more lost than one interval."""
        raise NotImplementedError

    def result(self):
        """Returns everything that a finished run has to share with one without kills, by name."""
        raise NotImplementedError

    def kill(self, count, rng):
        """Kills and resumes new runs until there were `count` kills; returns the tally."""
        tally = Tally()
        while tally.kills < count:
            while not self.dies_or_finishes(tally, rng, count):
                self.check_files(tally)
            tally.runs += 1
            self.compare()
            shutil.rmtree(self.folder)
        return tally

    def dies_or_finishes(self, tally, rng, count):
        """Starts or resumes the run, which is killed or finishes; returns whether it finished.

        After `count` kills it may finish: what begins again after each kill would never do so on
        a machine that has become slower since the run without kills was timed.
        """
        self.log.unlink(missing_ok=True)
        process = self.start()
        is_spared = tally.kills >= count
        process.join(LONGEST_RUN if is_spared else self.seconds * rng.uniform(0.1, 0.9))
        if process.exitcode is None:
            process.kill()
            process.join()
            tally.kills += 1
            return False
        self.check_exit(process)
        return True

    def check_exit(self, process):
        assert process.exitcode == 0, self.log.read_text()[-2000:]

    def compare(self):
        """Checks that a finished run has every result of one without kills, and nothing else."""
        found = self.result()
        assert found.keys() == self.expected.keys()
        for name, value in self.expected.items():
            assert found[name] == value, name
        assert not list(self.folder.rglob(".*.tmp"))
