import os
import subprocess
import sys
import time

from benchmarks.gpu import runner

PROGRAM = """
import time
from benchmarks.gpu import registry, runner

registry.SECTIONS.clear()
for name, limit in (("fail", 30), ("exit_process", 30), ("hang", 2), ("work", 30)):
    registry.SECTIONS[name] = registry.Entry(f"tests.benchmarks.gpu.faulty_sections:{name}", limit)
runner.GRACE_S = 0.5
if __name__ == "__main__":
    options = runner.Options("cpu", True, 480.0, time.monotonic() + 120.0)
    names = list(registry.SECTIONS)
    runner.run_sections(names, options, lambda message: print(message, flush=True))
"""


def test_sections_that_raise_end_the_process_or_hang_leave_the_others(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    command = [sys.executable, str(path)]
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert "('end', 'fail', 'RuntimeError: no luck" in done.stdout
    assert "('end', 'exit_process', 'its process ended with code 3')" in done.stdout
    assert "('row', 'hang', {'what': 'before the hang'})" in done.stdout
    assert "('end', 'hang', 'ended: its time was used up')" in done.stdout
    assert "('row', 'work', {'what': 'worked'})" in done.stdout
    assert done.stdout.splitlines()[-1] == "('end', 'work', None)"


def test_without_time_all_sections_are_left_out():
    messages = []
    options = runner.Options("cpu", True, 1.0, time.monotonic())
    runner.run_sections(["machine", "engine"], options, messages.append)
    assert [message[:2] for message in messages] == [("end", "machine"), ("end", "engine")]
    assert messages[0][2] == "left out: the time of the run is used up"
