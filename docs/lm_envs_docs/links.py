"""Links between the pages of the site and other files of the repository.

The Markdown files keep the links that work in the repository; here they become links between pages.
Owns which file is which page.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

PAGES = {
    "README.md": "index",
    "CHANGELOG.md": "project/changelog",
    "CONTRIBUTING.md": "project/contributing",
    "SECURITY.md": "project/security",
    "agents/examples/README.md": "project/other_libraries",
    "benchmarks/RESULTS.md": "results/index",
}
"""Page of each included file, by its path in the repository."""

TUTORIALS, EXECUTED = "docs/tutorials", "learn"
"""Folder of the scripts, and of the pages that running them writes."""

LINK = re.compile(r"(\]\()([^)\s]+)(\))")
FORM = re.compile(
    r"(https?://[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?(/[^\s\"<>]*)?|mailto:\S+@\S+\.\S+)", re.I
)
"""An external address of plain form; whether it can be reached is not checked."""


def page_of(path: str, pages: Mapping[str, str] = PAGES) -> str | None:
    """Returns the page of a file of the repository; None if it has none.

    Args:
        path: Relative to the repository.
        pages: Of the included files.
    """
    if path in pages:
        return pages[path]
    folder, _, name = path.rpartition("/")
    if folder == TUTORIALS and name.endswith(".py"):
        return f"{EXECUTED}/{name.removesuffix('.py')}"
    if path.startswith("docs/") and path.endswith(".md"):
        return path.removeprefix("docs/").removesuffix(".md")
    return None


def rewritten(text: str, file: Path, page: str, root: Path) -> str:
    """Returns Markdown whose relative links lead from a page to pages and files.

    Args:
        text: Of the file.
        file: The file, to which the links are relative.
        page: Name of the page that shows it, such as "results/index".
        root: The repository.
    """
    start = os.path.dirname(page) or "."

    def link(match: re.Match[str]) -> str:
        target, sign, anchor = match[2].partition("#")
        if not target or FORM.match(match[2]):
            return match[0]
        path = os.path.relpath(file.parent / target, root)
        other = page_of(path)
        if other is not None:
            suffix = "rst" if other.startswith(f"{EXECUTED}/") else "md"
            new = f"{os.path.relpath(other, start)}.{suffix}"
        else:
            # Without the scheme a Markdown file would have to be a page of the site.
            scheme = "path:" if path.endswith(".md") else ""
            new = scheme + os.path.relpath(root / path, root / "docs" / start)
        return f"{match[1]}{new}{sign}{anchor}{match[3]}"

    return LINK.sub(link, text)
