"""Sentences with labels: the topic of a Factbook passage, the language, a template's sentiment.

Owns the choice of sentences. Knows nothing of tokens or tasks.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from agents.corpus import translation
from agents.corpus.prose import plain_texts
from agents.corpus.sources import HELD_OUT, countries
from lm_envs.tasks.splits import split_of

TOPICS = {
    "Geography": "geography",
    "People and Society": "society",
    "Government": "government",
    "Economy": "economy",
    "Environment": "environment",
    "Military and Security": "military",
    "Transportation": "transport",
    "Communications": "communications",
}
MAX_WORDS = 40
TEXTS_PER_TOPIC = 240
TEXTS_PER_ENTRY = 2
FURTHER_TEXTS_PER_ENTRY = 10
ABOUT_THE_SOURCE = re.compile(r"Factbook|^note \d|^compiled from|see listing")
"""Matches texts about the Factbook itself, not about the topic."""
SUBJECTS = (
    *("The food", "The hotel", "Our guide", "The service", "This film", "The room", "The book"),
    *("The concert", "The museum", "My new phone", "The journey", "The staff", "The garden"),
)
FEELINGS = {
    "positive": (
        *("was wonderful", "was excellent", "made us very happy", "was a real pleasure"),
        *("was better than we had hoped", "deserves the highest praise", "was charming"),
    ),
    "negative": (
        *("was terrible", "was very disappointing", "made us angry", "was a waste of money"),
        *("was worse than we had feared", "deserves no praise at all", "was dreadful"),
    ),
}
ENDINGS = ("", " from start to finish", " this time", ", as all my friends agree")


def rows() -> Iterator[dict[str, str]]:
    """Yields rows with text, label, kind and split."""
    yield from _topics()
    yield from _languages()
    yield from _sentiments()
    yield from _further_topics()


def _topics() -> Iterator[dict[str, str]]:
    """Yields first sentences of Factbook entries; a text under two topics occurs once."""
    counts, seen = dict.fromkeys(TOPICS, 0), set()
    for code, entry in countries():
        for section, label in TOPICS.items():
            new = (text for text in _beginnings(entry.get(section, {})) if text not in seen)
            left = min(TEXTS_PER_ENTRY, TEXTS_PER_TOPIC - counts[section])
            for text in itertools.islice(new, left):
                counts[section] += 1
                seen.add(text)
                split = split_of(f"factbook-{code}", HELD_OUT)
                yield {"text": text, "label": label, "kind": "topic", "split": split}


def _further_topics() -> Iterator[dict[str, str]]:
    """Yields further texts of held-out countries that occur in no other entry."""
    known = {row["text"] for row in _topics()}
    found = dict.fromkeys(
        (text, label, code)
        for code, entry in countries()
        for section, label in TOPICS.items()
        for text in _beginnings(entry.get(section, {}))
    )
    occurrences, counts = Counter(text for text, _, _ in found), Counter()
    for text, label, code in found:
        split = split_of(f"factbook-{code}", HELD_OUT)
        if (
            split == "train"
            or occurrences[text] > 1
            or text in known
            or ABOUT_THE_SOURCE.search(text)
        ):
            continue
        counts[code, label] += 1
        if counts[code, label] <= FURTHER_TEXTS_PER_ENTRY:
            yield {"text": text, "label": label, "kind": "topic", "split": split}


def _beginnings(section: Any) -> Iterator[str]:  # noqa: ANN401 - JSON of unknown shape
    """Yields the first sentence of each suitable text, cut to `MAX_WORDS` words."""
    for text in plain_texts(section):
        beginning = " ".join(re.split(r"(?<=\.) ", text)[0].split()[:MAX_WORDS])
        if _is_suitable(beginning):
            yield beginning


def _is_suitable(text: str) -> bool:
    """Returns whether a text is long enough and none of the notes that many entries share."""
    return len(text.split()) >= 8 and not text.startswith("note:")


def _languages() -> Iterator[dict[str, str]]:
    names = {"en": "English", "fr": "French", "zh": "Chinese"}
    for number, row in enumerate(translation.trained_pairs()):
        if number % 9 == 0 and row["kind"] in ("date", "sentence", "list", "relative time"):
            language = row["pair"].split("-")[1]
            for text, label in ((row["target"], names[language]), (row["source"], "English")):
                yield {"text": text, "label": label, "kind": "language", "split": row["split"]}


def _sentiments() -> Iterator[dict[str, str]]:
    for label, feelings in FEELINGS.items():
        for subject, feeling, ending in itertools.product(SUBJECTS, feelings, ENDINGS):
            split = split_of(f"sentiment {subject}{feeling}", held_out=0.1)
            text = f"{subject} {feeling}{ending}."
            yield {"text": text, "label": label, "kind": "sentiment", "split": split}
