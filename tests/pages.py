"""The pages of the repository, and the code blocks in them, for tests."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
GENERATED = ("_build", "_static", "api", "environments", "learn", "results/gallery.md")
"""Folders and files of docs/ that the build writes."""


def _is_generated(path: Path) -> bool:
    inside = path.relative_to(ROOT / "docs")
    return inside.parts[0] in GENERATED or str(inside) in GENERATED


PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "AGENTS.md",
    *sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "docs").rglob("*.md")
        if not _is_generated(path)
    ),
)

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
"""Scripts that the build runs."""

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(page: str) -> str:
    """Returns the text of a page of the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Returns the code blocks of a page in one language, such as "python"."""
    return [code for name, code in BLOCK.findall(text_of(page)) if name == language]


def shell_commands(code: str) -> list[list[str]]:
    """Returns the commands of a shell block that start one of our programs, as words."""
    import shlex

    lines = code.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    starts = (["python", "-m"], ["lm_envs"])
    return [each for each in words if any(each[: len(start)] == start for start in starts)]
