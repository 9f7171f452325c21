"""Ratings by a person as a score: asked for at the terminal, and stored in a file.

Owns the question and the file of ratings. Knows nothing of tokens, models or rewards.
"""

import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lm_envs.validation import check_number

FILE_VARIABLE = "LM_ENVS_RATINGS"
DEFAULT_FILE = "human_ratings.jsonl"
BEST = 10


def rating(text: str, references: Sequence[str]) -> float:
    """Returns a person's rating of a text, in [0, 1]: `{"lm_envs.tasks.human:rating": 1.0}`.

    A text without a rating in the file is printed at the terminal, with its references. The person
    rates it from 0 to 10, and the rating is added to the file, so that each text is rated once. Use
    this score with `dense=False`: otherwise a rating is needed for the text after every step.

    The file is human_ratings.jsonl, or the path in the environment variable `LM_ENVS_RATINGS`. Each
    line is `{"text": …, "rating": 0 to 1}`; lines can also be written beforehand.

    Raises:
        ValueError: If a text has no rating and there is no terminal, or the file is malformed.
    """
    path = Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE)).resolve()
    known = _ratings(path)
    if text not in known:
        known[text] = _ask(text, references, path)
        _append(path, {"text": text, "rating": known[text]})
    return known[text]


@cache
def _ratings(path: Path) -> dict[str, float]:
    """Ratings by text. Read from the file once; `rating` adds new ones to the cached dict."""
    found: dict[str, float] = {}
    # Not `splitlines`, which also divides at U+2028, U+2029 and U+0085 inside of a JSON text.
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        location = f"{path}:{number}"
        try:
            row = json.loads(line)
            text, value = row["text"], row["rating"]
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f'Got {line!r} at {location}; allowed: {{"text": …, "rating": 0 to 1}}.'
            ) from None
        check_number(f"rating at {location}", value)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"Got rating={value!r} at {location}; allowed: 0 to 1.")
        found[text] = float(value)
    return found


def _append(path: Path, row: dict[str, str | float]) -> None:
    """Appends a line, and before it the line end that the last line may lack."""
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        is_open = file.read(1) not in (b"", b"\n")
        line = json.dumps(row, ensure_ascii=False) + "\n"
        file.write(b"\n" * is_open + line.encode("utf-8"))


def _ask(text: str, references: Sequence[str], path: Path) -> float:
    if not sys.stdin.isatty():
        raise ValueError(
            f"Got a text without a rating, {text!r}, and no terminal to ask for one; run in a "
            f"terminal, or write ratings to {path} beforehand."
        )
    print(f"\n{text}", *(f"  (reference: {reference})" for reference in references), sep="\n")
    while True:
        answer = input(f"How good is it, 0 to {BEST}? ").strip()
        if answer.isdecimal() and int(answer) <= BEST:
            return int(answer) / BEST
        print(f"Got {answer!r}; allowed: a whole number, 0 to {BEST}.")
