"""Sentences with labels: topic of a Factbook passage, language, sentiment by template."""

import itertools
import re
from collections.abc import Iterator

from agents.corpus import translation
from agents.corpus.prose import plain_texts
from agents.corpus.sources import HELD_OUT, countries
from lm_envs.tasks.examples import split_of

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
    """Rows text, label, kind, split."""
    yield from _topics()
    yield from _languages()
    yield from _sentiments()


def _topics() -> Iterator[dict[str, str]]:
    """Beginnings of Factbook entries; a text that stands under two topics is taken once."""
    counts, seen = dict.fromkeys(TOPICS, 0), set()
    for code, entry in countries():
        for section, label in TOPICS.items():
            found = (_beginning(text) for text in plain_texts(entry.get(section, {})))
            new = (text for text in found if _is_telling(text) and text not in seen)
            left = min(TEXTS_PER_ENTRY, TEXTS_PER_TOPIC - counts[section])
            for text in itertools.islice(new, left):
                counts[section] += 1
                seen.add(text)
                split = split_of(f"factbook-{code}", HELD_OUT)
                yield {"text": text, "label": label, "kind": "topic", "split": split}


def _beginning(text: str) -> str:
    """The first sentence, or what of it is short enough."""
    return " ".join(re.split(r"(?<=\.) ", text)[0].split()[:MAX_WORDS])


def _is_telling(text: str) -> bool:
    """Long enough, and not one of the notes that many entries share."""
    return len(text.split()) >= 8 and not text.startswith("note:")


def _languages() -> Iterator[dict[str, str]]:
    names = {"en": "English", "fr": "French", "zh": "Chinese"}
    for number, row in enumerate(translation.pairs()):
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
