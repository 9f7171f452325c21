import os
import subprocess
import sys
import zipfile

METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
PROGRAM = """
import subprocess, sys
from benchmarks.gpu import wheels
wheels.install_for(sys.argv[1:])
import tiny
print(tiny.VALUE)
subprocess.run([sys.executable, "-c", "import tiny; print(tiny.VALUE + 1)"], check=True)
"""


def run_program(*arguments):
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))


def make_wheel(folder):
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny.py", "VALUE = 41\n")
        archive.writestr("tiny-1.0.dist-info/METADATA", METADATA)
        archive.writestr("tiny-1.0.dist-info/WHEEL", WHEEL)
        archive.writestr("tiny-1.0.dist-info/RECORD", "")


def test_wheels_are_importable_here_and_in_processes_to_come(tmp_path):
    make_wheel(tmp_path)
    for arguments in (["--wheels", str(tmp_path)], [f"--wheels={tmp_path}"]):
        done = run_program("--minutes", "1", *arguments)
        assert done.stdout.split() == ["41", "42"], done.stderr


def test_folder_without_wheels_is_refused(tmp_path):
    done = run_program("--wheels", str(tmp_path))
    assert done.returncode == 2
    assert f"Got --wheels {tmp_path}, which holds no *.whl; give a folder" in done.stderr
