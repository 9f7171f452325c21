"""Section `tests`: the project's own tests with the mark `gpu`, in a process of their own.

Owns the reading of pytest's report. Knows nothing of what is tested.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from benchmarks.gpu.section import Row, Section

LIMIT_S = 150.0
SMALL = "tests/model/state/test_cuda_graph.py"
LAST_LINES = 15


def run(section: Section) -> None:
    """Reports the counts of the outcomes, and a row for each test that failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
        command += [f"--junitxml={report}", *([SMALL] if section.is_small else marked_files())]
        output, code = _run(command, min(LIMIT_S, section.left_s))
        cases = ET.parse(report).getroot().iter("testcase") if report.is_file() else ()
        failures = [_failure(case) for case in cases if _error_of(case) is not None]
    lines = [line for line in output.splitlines() if line.strip()]
    values: Row = {"exit_code": code, "last_line": lines[-1] if lines else ""}
    if code not in (0, 1):
        values["output"] = "\n".join(lines[-LAST_LINES:])
    section.report("pytest -m gpu", **values)
    for failure in failures:
        section.report(**failure)


def marked_files(folder: Path = Path("tests")) -> list[str]:
    """Test files that use the mark `gpu`; others may need packages that this machine lacks."""
    files = sorted(folder.rglob("test_*.py"))
    return [str(path) for path in files if "mark.gpu" in path.read_text(encoding="utf-8")]


def _run(command: list[str], limit_s: float) -> tuple[str, int | None]:
    """Output and exit code of a command; the code is None if the time ended first."""
    with tempfile.TemporaryFile("w+") as file:
        try:
            done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, timeout=limit_s)
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = None
        file.seek(0)
        return file.read(), code


def _error_of(case: ET.Element) -> ET.Element | None:
    found = case.find("failure")
    return case.find("error") if found is None else found


def _failure(case: ET.Element) -> Row:
    error = _error_of(case)
    assert error is not None
    name = f"{case.get('classname')}::{case.get('name')}"
    return {"what": name, "message": (error.get("message") or "")[:600]}
