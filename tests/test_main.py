import subprocess
import sys


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "lm_envs", "--version"], capture_output=True, text=True
    )
    assert done.stdout.startswith("lm_envs 0.")
