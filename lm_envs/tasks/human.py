"""A person as a score: asked at the terminal for each new text, remembered in a file.

Owns the question and the file of answers. Knows nothing of tokens, models or rewards.
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
    """What a person thinks of a text, in [0, 1]: `{"lm_envs.tasks.human:rating": 1.0}`.

    A text that is not in the file of ratings is shown at the terminal, with its references, and
    answered by 0 to 10; the answer is added to the file, so that no text is asked about twice. Use
    it with `dense=False`, which asks for whole texts only.

    The file is human_ratings.jsonl, or what the environment variable `LM_ENVS_RATINGS` says: a line
    `{"text": …, "rating": 0 to 1}` a text, which can also be written beforehand.

    Raises:
        ValueError: If a text has no rating and there is no terminal, or the file is damaged.
    """
    path = Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE)).resolve()
    known = _ratings(path)
    if text not in known:
        known[text] = _ask(text, references, path)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"text": text, "rating": known[text]}, ensure_ascii=False) + "\n")
    return known[text]


@cache
def _ratings(path: Path) -> dict[str, float]:
    """Ratings by text, as they stood in the file at first, and those given since."""
    found: dict[str, float] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
            text, value = row["text"], row["rating"]
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f'Got {line!r} at {place}; allowed: {{"text": …, "rating": 0 to 1}}.'
            ) from None
        check_number(f"rating at {place}", value)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"Got rating={value!r} at {place}; allowed: 0 to 1.")
        found[text] = float(value)
    return found


def _ask(text: str, references: Sequence[str], path: Path) -> float:
    if not sys.stdin.isatty():
        raise ValueError(
            f"Got a text without a rating, {text!r}, and no terminal to ask at; run it in one, or "
            f"write ratings to {path} beforehand."
        )
    print(f"\n{text}", *(f"  (hoped for: {reference})" for reference in references), sep="\n")
    while True:
        answer = input(f"How good is it, 0 to {BEST}? ").strip()
        if answer.isdecimal() and int(answer) <= BEST:
            return int(answer) / BEST
        print(f"Got {answer!r}; allowed: a whole number, 0 to {BEST}.")
