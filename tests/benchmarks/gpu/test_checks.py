import os
import subprocess
import sys

from benchmarks.gpu import checks
from tests.benchmarks.gpu.sections import make_section

TESTS = """
import pytest

@pytest.mark.gpu
def test_wrong():
    assert 1 + 1 == 3, "no luck"

@pytest.mark.gpu
def test_right():
    pass
"""


def test_failures_are_rows_with_their_messages(tmp_path, monkeypatch):
    path = tmp_path / "test_some.py"
    path.write_text(TESTS)
    monkeypatch.setattr(checks, "SMALL", str(path))
    section, rows = make_section()
    checks.run(section)
    summary, failure = rows
    assert summary["exit_code"] == 1
    assert summary["last_line"].startswith("1 failed, 1 passed")
    assert failure["what"].endswith("::test_wrong")
    assert "no luck" in failure["message"]


def test_tests_that_take_too_long_are_cut(tmp_path, monkeypatch):
    path = tmp_path / "test_slow.py"
    path.write_text("import time, pytest\n@pytest.mark.gpu\ndef test_a():\n    time.sleep(60)\n")
    monkeypatch.setattr(checks, "SMALL", str(path))
    section, rows = make_section(4.0)
    checks.run(section)
    assert rows[0]["exit_code"] is None


def test_only_files_with_the_mark_are_run(tmp_path):
    (tmp_path / "test_a.py").write_text("@pytest.mark.gpu")
    (tmp_path / "test_b.py").write_text("import babel")
    assert checks.marked_files(tmp_path) == [str(tmp_path / "test_a.py")]


BARE = """
import sys, pytest
for name in {blocked}:
    sys.modules[name] = None  # importing it raises ImportError
sys.exit(pytest.main(["-q", "-m", "gpu", "--collect-only", "-p", "no:cacheprovider", *{files}]))
"""
NOT_NEEDED = ("babel", "hypothesis", "pytest_timeout", "sentencepiece", "sklearn", "rouge_score")


def test_the_marked_files_need_no_package_for_development():
    """Regression: on a card's machine collecting failed, and no test ran."""
    program = BARE.format(blocked=NOT_NEEDED, files=checks.marked_files())
    command = [sys.executable, "-c", program]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=env)
    assert done.returncode == 0, done.stdout
