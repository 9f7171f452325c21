"""Questions about passages that people wrote: histories of countries from the CIA World Factbook.

Owns which questions are asked and where a passage is cut. Held out are countries, so that nothing
about a test country is seen in training. The embedded model has read parts of the Factbook, so
these questions are meant for a model from elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agents.corpus.facts import country_background, country_name
from agents.corpus.sources import countries
from lm_envs.tasks.splits import split_of

LARGEST_PASSAGE = 90
"""Words of a passage; sentences around the one with the answer are added up to this number."""

HELD_OUT = 0.25
"""Share of the countries in validation, and the same share in test."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")
_YEAR = r"(?P<answer>1[4-9]\d\d|20[0-2]\d)"
_NEARBY = r"[^.;\d]{0,40}?\b(?:in|on)\b (?:\d{1,2} )?(?:[A-Z][a-z]+ )?"


@dataclass(frozen=True, slots=True)
class _Relation:
    """One kind of question.

    Attributes:
        question: With {name}, the country, and {0}, the pattern's group "what" if it has one.
        pattern: Finds the answer in a passage, as its group "answer".
    """

    question: str
    pattern: re.Pattern[str]


RELATIONS = {
    "independence": _Relation(
        "In which year did {name} become independent?",
        re.compile(
            rf"(?:gain|achiev|attain|w[io]n|won|declar|bec[ao]m|grant|proclaim)\w*[^.;\d]{{0,30}}independen\w+{_NEARBY}{_YEAR}"
        ),
    ),
    "independent from": _Relation(
        "From which country did {name} become independent?",
        re.compile(
            r"independen(?:ce|t) from (?:the )?"
            r"(?P<answer>UK|US|USSR|Soviet Union|Ottoman Empire|[A-Z][a-z]+(?: [A-Z][a-z]+)?)\b"
        ),
    ),
    "member since": _Relation(
        "In which year did {name} join the {0}?",
        re.compile(rf"joined (?:both )?(?:the )?(?P<what>EU|NATO|UN|WTO)\b{_NEARBY}{_YEAR}"),
    ),
    "coup": _Relation(
        "In which year was there a coup in {name}?",
        re.compile(rf"\bcoup\b{_NEARBY}{_YEAR}"),
    ),
    "settled": _Relation(
        "In which year was {name} {0}?",
        re.compile(
            rf"(?P<what>discovered|settled|colonized|annexed|sighted|occupied)\b{_NEARBY}{_YEAR}"
        ),
    ),
    "elected": _Relation(
        "In which year was {0} elected?",
        re.compile(
            r"(?P<what>[A-Z][\w'-]+(?: [A-Z][\w'-]+){1,3}) (?:was|has been) (?:re)?elected"
            rf"{_NEARBY}{_YEAR}"
        ),
    ),
}
"""Kinds of questions by name."""


def questions() -> Iterator[dict[str, str]]:
    """Yields one row per question: question, answer, context, subject, relation, split.

    A country has at most one question of each kind, about the first place that answers it. Each
    answer occurs in its context.
    """
    for code, entry in countries():
        name, sentences = country_name(code, entry), _sentences(country_background(entry))
        split = split_of(name, HELD_OUT)
        for relation, kind in RELATIONS.items():
            found = _first_match(kind.pattern, sentences)
            if name and found:
                place, match = found
                what = match.groupdict().get("what", "")
                yield {
                    "question": kind.question.format(what, name=name),
                    "answer": match["answer"],
                    "context": _passage(sentences, place),
                    "subject": name,
                    "relation": relation,
                    "split": split,
                }


def _sentences(text: str) -> list[str]:
    return _SENTENCE_END.split(text) if text else []


def _first_match(
    pattern: re.Pattern[str], sentences: list[str]
) -> tuple[int, re.Match[str]] | None:
    """Returns the number of the first sentence that answers, and the match in it."""
    matches = ((place, pattern.search(sentence)) for place, sentence in enumerate(sentences))
    return next(((place, match) for place, match in matches if match), None)


def _passage(sentences: list[str], place: int) -> str:
    """Returns the sentence at `place` and as many around it as fit, in turns from both sides."""
    first = last = place
    while True:
        later, earlier = last + 1 < len(sentences), first > 0
        grown = [(first, last + 1)] * later + [(first - 1, last)] * earlier
        # Balanced, so that the answer is not always in the first or the last sentence.
        grown.sort(key=lambda ends: abs((place - ends[0]) - (ends[1] - place)))
        fitting = [ends for ends in grown if _num_words(sentences, *ends) <= LARGEST_PASSAGE]
        if not fitting:
            return " ".join(sentences[first : last + 1])
        first, last = fitting[0]


def _num_words(sentences: list[str], first: int, last: int) -> int:
    return sum(len(sentence.split()) for sentence in sentences[first : last + 1])
