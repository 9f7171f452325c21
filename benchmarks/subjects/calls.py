"""Number of Python calls, functions and files of `lm_envs` that one step of an environment takes.

Owns which step is counted. The count does not depend on the machine, as a duration does.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from benchmarks.harness.call_count import CallCount, count_calls
from benchmarks.harness.models import model_folder
from benchmarks.subjects.tasks import BASELINE, language_ids
from lm_envs.model.loading import EMBEDDED
from lm_envs.validation import check_choice

WARM_UP_STEPS = 3
"""Steps before the counted one; the first ones fill caches."""

Row = dict[str, Any]


def run(model: str = EMBEDDED, ids: Sequence[str] = (BASELINE,)) -> Row:
    """Counts the calls of one step with one row, for each id: in total and by module.

    Raises:
        ValueError: If an id is not that of a language environment.
    """
    for name in ids:
        check_choice("env", name, language_ids())
    rows = [row for name in ids for row in _rows(name, step_calls(name, model))]
    return {"subject": "calls", "model": model, "rows": rows}


def step_calls(name: str, model: str = EMBEDDED) -> CallCount:
    """Calls of one `env.step` after a warm-up; action 0, no Gymnasium wrappers."""
    env = gym.make(name, model=str(model_folder(model)), disable_env_checker=True).unwrapped
    env.reset(seed=0)
    for _ in range(WARM_UP_STEPS):
        _, _, terminated, truncated, _ = env.step(0)
        if terminated or truncated:
            env.reset()
    count = count_calls(lambda: env.step(0))
    env.close()
    return count


def _rows(name: str, count: CallCount) -> list[Row]:
    parts = {"all": count, **count.by_module()}
    return [
        {
            "what": name,
            "module": module,
            "calls": part.num_calls,
            "functions": part.num_functions,
            "files": part.num_files,
        }
        for module, part in parts.items()
    ]
