"""Lookup of phrases: a question is parsed by the wordings that training questions have.

Where that fails, words that only one relation has in these wordings name the relations, in the
order of the walk. Owns the parser. Knows nothing of rewards, and no wordings of other splits.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

from agents.baselines.rules.chains.next_relation import question_of
from agents.baselines.rules.lines import Rule
from lm_envs.tasks.base import Option
from lm_envs.tasks.simulators.fact_graph import STOP, backward
from lm_envs.tasks.simulators.fact_wordings import Frame, all_wordings

TRAIN = "train"

Phrases = Sequence[tuple[re.Pattern[str], str]]
"""Patterns, whose group is what the edge starts at, and the line of each."""


def phrase_lookup(stem: int) -> Rule:
    """Returns the rule that follows the relations of the parsed question, then stops.

    A relation that the entity does not have is skipped.

    Args:
        stem: First letters that are compared of words that name relations.
    """
    planned = lru_cache(2**14)(partial(planned_lines, stem=stem))

    def rule(prompt: str, turns: Sequence[str], options: Sequence[Option]) -> str | None:
        enabled = {option.text for option in options if option.is_enabled}
        for lines in planned(prompt)[len(turns) :]:
            for line in lines:
                if line in enabled:
                    return line
        return STOP if turns else None

    return rule


def planned_lines(prompt: str, stem: int) -> tuple[tuple[str, ...], ...]:
    """Returns the lines of a walk; where the direction of an edge is unknown, both.

    Args:
        prompt: Question and path, as the task shows them at the first turn.
        stem: First letters that are compared of words that name relations.
    """
    question = question_of(prompt)
    start = prompt.split("\nPath: ", 1)[1].split("\n", 1)[0]
    for lines in _parses(question, start):
        return tuple((line,) for line in lines)
    return tuple((name, backward(name)) for name in mentioned(question, stem))


def _parses(question: str, start: str) -> Iterator[tuple[str, ...]]:
    """Yields the walks that a question describes by known phrases."""
    for country, asked in _matches(_asked(), question):
        for path in _paths(country, start):
            yield (*path, asked)
    *sentences, last = re.split(r"(?<=\.) ", question)
    for frame in all_wordings().frames[TRAIN]:
        path = _framed(frame, sentences, start)
        for country, asked in _matches(_asked(), last) if path else ():
            if country == frame.reference:
                yield (*path, asked)


def _paths(phrase: str, start: str) -> Iterator[tuple[str, ...]]:
    """Yields the edges from the start to the country that a phrase describes."""
    if phrase == start:
        yield ()
    for inner, line in _matches(_described(), phrase):
        for path in _paths(inner, start):
            yield (*path, line)


def _framed(frame: Frame, sentences: Sequence[str], start: str) -> tuple[str, ...]:
    """Returns the edges to the country of the last sentence; none if one is not understood."""
    path: list[str] = []
    for place, sentence in enumerate(sentences):
        named = _pattern(frame.next if place else frame.first).fullmatch(sentence)
        known = frame.reference if place else start
        lines = _matches(_described(), named[1]) if named else ()
        line = next((line for inner, line in lines if inner == known), None)
        if line is None:
            return ()
        path.append(line)
    return tuple(path)


def _matches(phrases: Phrases, text: str) -> Iterator[tuple[str, str]]:
    """Yields what an edge starts at, and its line, for each phrase that a text can be."""
    for pattern, line in phrases:
        if found := pattern.fullmatch(text):
            yield found[1], line


def mentioned(question: str, stem: int) -> list[str]:
    """Returns the relations that words of a question name, in the order of the walk.

    Args:
        question: In any wording.
        stem: First letters of a word that are compared.
    """
    names: list[str] = []
    for sentence in re.split(r"(?<=\.) ", question):
        stems = _stems(sentence, stem)
        found = [_keywords(stem)[word] for word in stems if word in _keywords(stem)]
        # In a sentence the first country stands last, and what is asked first; words of one phrase
        # may stand on both sides of another one.
        names += reversed(dict.fromkeys(found))
    return names


@lru_cache(8)
def _keywords(stem: int) -> dict[str, str]:
    """Returns the beginnings of words that the wordings of only one relation have."""
    owners: dict[str, set[str]] = {}
    for name, wordings in all_wordings().relations.items():
        for pool in (wordings.asked, wordings.described, wordings.linked):
            for word in _stems(" ".join(pool.get(TRAIN)), stem):
                owners.setdefault(word, set()).add(name)
    return {word: next(iter(names)) for word, names in owners.items() if len(names) == 1}


def _stems(text: str, stem: int) -> list[str]:
    return [word[:stem] for word in re.findall(r"[a-z]+", text.lower())]


@lru_cache(1)
def _asked() -> Phrases:
    relations = all_wordings().relations.items()
    return [(_pattern(text), name) for name, each in relations for text in each.asked.get(TRAIN)]


@lru_cache(1)
def _described() -> Phrases:
    found: list[tuple[re.Pattern[str], str]] = []
    for name, wordings in all_wordings().relations.items():
        found += [(_pattern(text), backward(name)) for text in wordings.described.get(TRAIN)]
        found += [(_pattern(text), name) for text in wordings.linked.get(TRAIN)]
    return found


@lru_cache(2**10)
def _pattern(phrase: str) -> re.Pattern[str]:
    """Returns the pattern of a phrase whose "{}" stands for any text, or for nothing else."""
    first, last = phrase.split("{}", 1)
    return re.compile(f"{re.escape(first)}(.+){re.escape(last)}")
