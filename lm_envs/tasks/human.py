"""Ratings by a person as a score: asked for at the terminal, and stored in a file.

Owns the question and the JSONL file of ratings; `lm_envs.tasks.ratings` owns the SQLite store.
Knows nothing of tokens or models.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from lm_envs.tasks.ratings import RatedText, Rating, RatingStore, is_store
from lm_envs.tasks.rewards.custom import finished_texts_only
from lm_envs.validation import check_number

FILE_VARIABLE = "LM_ENVS_RATINGS"
DEFAULT_FILE = "human_ratings.jsonl"
BEST = 10
RATER = "terminal"
"""Name of the rater in a store."""


@finished_texts_only
def rating(
    prompts: Sequence[str], completions: Sequence[str], references: Sequence[Sequence[str]]
) -> list[float]:
    """Returns a person's ratings of texts, in [0, 1]: `{"lm_envs.tasks.human:rating": 1.0}`.

    A text without a rating in the file is printed at the terminal, with its prompt and references.
    The person rates it from 0 to 10, and the rating is added to the file, so that a text is rated
    once for each prompt. Environments accept this score with `dense=False` only: otherwise a rating
    would be needed for the text after every token.

    The file is human_ratings.jsonl, or the path in the environment variable `LM_ENVS_RATINGS`: a
    store of `python -m agents.rate` (.sqlite), whose ratings of single texts count, averaged over
    raters; or JSONL. Each line of JSONL is `{"prompt": …, "text": …, "rating": 0 to 1}`; a line
    without a prompt, as earlier versions wrote it, is the rating of this text after any other
    prompt. Lines can also be written beforehand. Lines of `python -m agents.rate --export-to` that
    rate no single text are left out: skipped texts ("rating": null), and pairs ("texts").

    Raises:
        ValueError: If a text has no rating and there is no terminal, or the file is malformed.
    """
    path = Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE)).resolve()
    rated = zip(prompts, completions, references, strict=True)
    return (_from_store if is_store(path) else _from_lines)(path, list(rated))


Rated = list[tuple[str, str, Sequence[str]]]
"""Prompt, text and references of each row."""


def _from_store(path: Path, rated: Rated) -> list[float]:
    store = _store(path)
    found = []
    for prompt, text, correct in rated:
        value = store.mean_rating(prompt, text)
        if value is None:
            value = _ask(prompt, text, correct, path)
            (number,) = store.add_texts([RatedText(prompt, text)])
            store.add_ratings([Rating(RATER, number, None, value)])
        found.append(value)
    return found


def _from_lines(path: Path, rated: Rated) -> list[float]:
    known, found = _ratings(path), []
    for prompt, text, correct in rated:
        value = known.get((prompt, text), known.get((None, text)))
        if value is None:
            value = known[prompt, text] = _ask(prompt, text, correct, path)
            _append(path, {"prompt": prompt, "text": text, "rating": value})
        found.append(value)
    return found


@cache
def _store(path: Path) -> RatingStore:
    return RatingStore(path)


@cache
def _ratings(path: Path) -> dict[tuple[str | None, str], float]:
    """Ratings by prompt and text, read from the file once; `rating` adds new ones to the dict."""
    found: dict[tuple[str | None, str], float] = {}
    # Not `splitlines`, which also divides at U+2028, U+2029 and U+0085 inside of a JSON text.
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        location = f"{path}:{number}"
        try:
            row = json.loads(line)
            if _is_no_rating(row):
                continue
            prompt, text, value = row.get("prompt"), row["text"], row["rating"]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ValueError(
                f'Got {line[:80]!r} at {location}; allowed: {{"prompt": …, "text": …, "rating": 0 '
                "to 1}."
            ) from None
        check_number(f"rating at {location}", value)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"Got rating={value!r} at {location}; allowed: 0 to 1.")
        found[prompt, text] = float(value)
    return found


def _is_no_rating(row: Mapping[str, object]) -> bool:
    """Returns whether a line is a skipped text, or a pair, of which neither text has a rating."""
    is_skipped = "rating" in row and row["rating"] is None
    return is_skipped or ("texts" in row and "value" in row)


def _append(path: Path, row: dict[str, str | float]) -> None:
    """Appends a line, and before it the line end that the last line may lack."""
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        is_open = file.read(1) not in (b"", b"\n")
        line = json.dumps(row, ensure_ascii=False) + "\n"
        file.write(b"\n" * is_open + line.encode("utf-8"))


def _ask(prompt: str, text: str, references: Sequence[str], path: Path) -> float:
    if not sys.stdin.isatty():
        raise ValueError(
            f"Got a text without a rating, {text!r} after {prompt!r}, and no terminal to ask for "
            f"one; run in a terminal, or write ratings to {path} beforehand."
        )
    print(f"\n{_visible(prompt)}", f"> {_visible(text)}", sep="\n")
    for reference in references:
        print(f"  (reference: {_visible(reference)})")
    while True:
        answer = input(f"How good is it, 0 to {BEST}? ").strip()
        if answer.isdecimal() and int(answer) <= BEST:
            return int(answer) / BEST
        print(f"Got {answer!r}; allowed: a whole number, 0 to {BEST}.")


def _visible(text: str) -> str:
    """Text whose control and format characters are escaped: a terminal would obey them."""
    return "".join(
        character if character == "\n" or character.isprintable() else ascii(character)[1:-1]
        for character in text
    )
