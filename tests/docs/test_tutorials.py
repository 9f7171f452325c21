"""The tutorials run as they are written, with smaller budgets."""

import re

import matplotlib as mpl
import pytest

from tests.pages import ROOT, TUTORIALS

BUDGETS = {
    "first_agent": {"STEPS": "1_536", "EPISODES": "64"},
    "gpt2_as_the_agent": {"STEPS": "512", "WARM_START": "2", "EPISODES": "8"},
    "laptop_to_gpu": {"ROWS": "(1, 4)", "STEPS": "4"},
    "many_machines": {},
    "own_model": {"UPDATES": "2"},
    "own_reward": {"STEPS": "1_024"},
    "own_task": {"STEPS": "512", "CHECKED_STEPS": "4"},
}
"""Values of constants in the test, by tutorial."""

SLOW = ("first_agent", "gpt2_as_the_agent", "own_model", "own_task")
"""Tutorials that take more than a few seconds here; `make docs` runs all of them whole."""


def test_every_tutorial_has_a_budget():
    assert {path.stem for path in TUTORIALS} == set(BUDGETS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in BUDGETS]
)
def test_tutorial_runs(name, tmp_path, monkeypatch):
    mpl.use("agg")
    monkeypatch.chdir(tmp_path)
    path = ROOT / "docs" / "tutorials" / f"{name}.py"
    code = path.read_text(encoding="utf-8")
    for constant, value in BUDGETS[name].items():
        code, count = re.subn(rf"^{constant} = .*$", f"{constant} = {value}", code, flags=re.M)
        assert count == 1, constant
    exec(compile(code, str(path), "exec"), {"__name__": "__main__"})
    assert not list(tmp_path.iterdir())
