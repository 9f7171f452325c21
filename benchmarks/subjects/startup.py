"""Seconds until something happens: import, make, first step; fresh processes."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.harness import timing

STAGES = {
    "import lm_envs": "import lm_envs",
    "make": "import gymnasium as gym, lm_envs; gym.make('lm_envs/NextWord-v0')",
    "make and first step": (
        "import gymnasium as gym, lm_envs; env = gym.make('lm_envs/NextWord-v0'); "
        "env.reset(seed=0); env.step(0)"
    ),
    "python alone": "pass",
}


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> dict[str, Any]:
    """Wall time of each stage; the other arguments have no meaning here."""
    runs = {name: _process(code) for name, code in STAGES.items()}
    timings = timing.take_turns(runs, repeats)
    results = [{"what": name, "seconds": t.median, **t.as_dict()} for name, t in timings.items()]
    return {"subject": "startup", "rows": results}


def _process(code: str) -> Any:  # noqa: ANN401 - a callable
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)
