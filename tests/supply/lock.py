"""`python -m tests.supply.lock UV`: writes the hashes of the versions in requirements.txt, with uv.

The versions stay: a changed line gets its hashes, and nothing else is resolved.
"""

import re
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements.txt"
OPTIONS = ("--no-deps", "--no-annotate", "--no-header", "--generate-hashes", "--universal")


def pins(text):
    """Versions by package of the text of a lock."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


def main(uv):
    text = LOCK.read_text()
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    wanted = "".join(f"{name}=={version}\n" for name, version in pins(text).items())
    command = [uv, "pip", "compile", *OPTIONS, "--python-version", "3.11.5", "--quiet", "-"]
    locked = subprocess.run(command, input=wanted, capture_output=True, text=True, check=True)
    LOCK.write_text(head + locked.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
