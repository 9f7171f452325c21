"""Seconds from the start of Python until import, `gym.make` and the first step; new processes.

Owns the stages. Knows nothing of speed after the first step.
"""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.harness import timing
from benchmarks.subjects.defaults import REPEATS

STAGES = {
    "import lm_envs": "import lm_envs",
    "make": "import gymnasium as gym, lm_envs; gym.make('lm_envs/NextWord-v0')",
    "make and first step": (
        "import gymnasium as gym, lm_envs; env = gym.make('lm_envs/NextWord-v0'); "
        "env.reset(seed=0); env.step(0)"
    ),
    "python alone": "pass",
}


def run(repeats: int = REPEATS) -> dict[str, Any]:
    """Wall time of each stage with the embedded model."""
    runs = {name: _process_run(code) for name, code in STAGES.items()}
    timings = timing.time_in_turns(runs, repeats)
    results = [{"what": name, "seconds": t.median, **t.as_dict()} for name, t in timings.items()]
    return {"subject": "startup", "rows": results}


def _process_run(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)
