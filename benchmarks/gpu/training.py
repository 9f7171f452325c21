"""Sections `ppo` and `learning`: `agents.train` end to end, in processes of their own.

Owns the settings of the runs and what is kept of them. Knows nothing of agents.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu.section import Row, Section
from benchmarks.harness.models import GPT2_124M, model_folder

CONFIG = "configs/next_word_ppo.yaml"
NEEDED_S = 20.0
LAST_CHARACTERS = 600
"""Kept of the error output of a run that failed."""


def ppo(section: Section) -> None:
    """Reports steps per second of PPO: as configured, and on 124M weights with 512 rows."""
    if section.is_small:
        _report(section, "PPO, embedded", {**_schedule(192), "env.n_envs": 8})
        return
    _report(section, "PPO, embedded, 64 rows", _schedule(122880))
    many = {"env.n_envs": 512, "algorithm.kwargs.batch_size": 4096}
    _report(section, "PPO, embedded, 512 rows", _schedule(245760) | many)
    folder = {"env.kwargs.model": str(model_folder(GPT2_124M).resolve())}
    _report(section, "PPO, gpt2-124m, 512 rows", _schedule(122880) | many | folder)


def learning(section: Section) -> None:
    """Reports the held-out reward that PPO reaches on the embedded model."""
    if section.is_small:
        _report(section, "PPO, embedded", {**_schedule(192), "env.n_envs": 8})
        return
    schedule = _schedule(307200) | {"evaluation.episodes": 128, "evaluation.every": 76800}
    _report(section, "PPO, embedded, 307,200 steps", schedule)


def run_module(
    section: Section, module: str, config: str, assignments: Mapping[str, object]
) -> tuple[Row, dict[str, Any]]:
    """Runs `python -m <module> <config>` for at most the time that is left.

    Returns:
        Seconds, exit code and error of the process; and the JSON object that it printed last, or
        the last row of its metrics if the time ended first.
    """
    runs = tempfile.mkdtemp(prefix="runs-")
    command = [sys.executable, "-m", module, config, "--json", "--runs", runs]
    for key, value in assignments.items():
        command += ["--set", f"{key}={value}"]
    start = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=section.left_s)
    except subprocess.TimeoutExpired:
        row: Row = {"wall_s": time.perf_counter() - start, "note": "ended: its time was used up"}
        return row, _last_metrics(Path(runs))
    row = {"wall_s": time.perf_counter() - start, "exit_code": done.returncode}
    try:
        return row, json.loads((done.stdout.strip().splitlines() or [""])[-1])
    except ValueError:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        output = {"output": done.stderr[-LAST_CHARACTERS:]} if len(lines) > 1 else {}
        return row | {"note": lines[-1] if lines else "no output"} | output, {}


def _schedule(steps: int) -> dict[str, object]:
    """Assignments of a run of `steps` steps with one evaluation at its end."""
    episodes = 4 if steps < 1000 else 64
    schedule = {"total_timesteps": steps, "evaluation.every": steps, "checkpoint_every": steps}
    return {**schedule, "evaluation.episodes": episodes}


def _report(section: Section, what: str, assignments: Mapping[str, object]) -> None:
    section.attempt(what, NEEDED_S, partial(_measure, section, assignments))


def _measure(section: Section, assignments: Mapping[str, object]) -> Row:
    row, result = run_module(section, "agents.train", CONFIG, assignments)
    for key in ("steps", "seconds", "held_out_reward", "baselines", "step", "held_out"):
        if key in result:
            row[key] = result[key]
    if result.get("seconds"):
        row["steps_per_s"] = result.get("steps", result.get("step")) / result["seconds"]
    return row


def _last_metrics(runs: Path) -> dict[str, Any]:
    """The last complete row of the metrics of a run that was ended."""
    lines = [
        line for path in runs.glob("*/metrics.jsonl") for line in path.read_text().split("\n")[:-1]
    ]
    return json.loads(lines[-1]) if lines else {}
