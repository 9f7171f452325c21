"""Parts of a docstring, and a docstring as reStructuredText.

The docstrings are in Google style, with headings, links and code spans of Markdown. Knows nothing
of environments.
"""

import re
from collections.abc import Sequence

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
EXAMPLE = re.compile(r"^Example:\n((?:    .*\n?|\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\((https?://[^)]+)\)")


def split_sections(text: str) -> tuple[str, dict[str, str]]:
    """Returns what stands before the first Markdown heading, and the text below each heading.

    The example of Google style, `Example:`, is the section "Example".

    Args:
        text: Docstring without indentation, such as `inspect.getdoc` returns.
    """
    example = EXAMPLE.search(text)
    start, *rest = HEADING.split(EXAMPLE.sub("", text))
    sections = {name: body.strip() for name, body in zip(rest[::2], rest[1::2], strict=True)}
    if example:
        lines = example.group(1).splitlines()
        sections["Example"] = "\n".join(line.removeprefix("    ") for line in lines).strip()
    return start.strip(), sections


def entries(text: str, section: str) -> dict[str, str]:
    """Returns the entries of a section of Google style, such as "Args", by their names."""
    _, _, rest = f"{text}\n".partition(f"\n{section}:\n")
    block = re.split(r"^\S", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return {name: " ".join(body.split()) for name, body in ENTRY.findall(block)}


def as_code(example: str) -> str:
    """Returns the statements of a doctest, without its prompts and its output."""
    lines = [line[4:] for line in example.splitlines() if line.startswith((">>>", "..."))]
    return "\n".join(lines)


def to_restructured_text(lines: Sequence[str]) -> list[str]:
    """Returns the lines of a docstring with Markdown's headings and links in reStructuredText."""
    changed: list[str] = []
    for line in lines:
        heading = HEADING.match(line.strip())
        if heading:
            changed += [f".. rubric:: {heading.group(1)}", ""]
        else:
            changed.append(LINK.sub(r"`\1 <\2>`__", line))
    return changed
