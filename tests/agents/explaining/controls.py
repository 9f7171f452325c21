"""A sweep of weights small enough for tests, and its report."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from agents.config.control import ControlConfig
from agents.explaining.control import control_report
from tests.agents.finished_run import changed


def small_sweep(folder, **updates):
    """Returns a sweep of two weights and one seed, whose configuration is written to `folder`."""
    path = Path(folder) / "base.yaml"
    path.write_text(yaml.safe_dump(changed(total_timesteps=64).model_dump(mode="json")))
    values = {"config": str(path), "seeds": [0], "weights": {"repetition": [-1.0, 1.0]}}
    return ControlConfig.model_validate(values | updates)


@cache
def small_report():
    with TemporaryDirectory() as folder:
        return control_report(small_sweep(folder), Path(folder), "test", 4)
