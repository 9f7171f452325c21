"""English paraphrases by rules, each of which belongs to one split: forms are held out, not words.

Owns the rules and how their slots are filled. The words stand in `rule_words`. None of these rules
is among the families that the embedded model has read. Sentences begin in lower case, so that words
that move are written as they stood.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agents.corpus import rule_words

SHOWN = 6
"""Solved examples of a rule, which have other words than its texts."""

TEXTS = {"train": 24, "validation": 24, "test": 30}
"""Texts of a rule, by split."""

SLOTS: dict[str, Sequence[Any]] = {
    **dict.fromkeys("pq", rule_words.PEOPLE),
    **dict.fromkeys("tu", rule_words.THINGS),
    **dict.fromkeys("ij", rule_words.DEEDS),
    **{"v": rule_words.ACTIONS, "n": rule_words.OWN_THINGS},
    **{"a": rule_words.QUALITIES, "c": rule_words.LONG_QUALITIES, "x": rule_words.STATES},
    **{"d": rule_words.TIMES, "l": rule_words.PLACES, "m": rule_words.DURATIONS},
}
"""Words by the letter of a slot. Two slots of a text never have the same words.

- p, q: a person; n: what a person owns
- t, u: a thing; v: what a person does to a thing
- i, j: what a person does without a thing
- a: a quality of a person, such as "tired"; c: one that is compared with "more"; x: one of a thing
- d: a time; l: a place; m: a duration
"""

_WRONG_ARTICLE = re.compile(r"\ba [aeiou]")


@dataclass(frozen=True, slots=True)
class Rule:
    """A form of change.

    Attributes:
        name: As rows have it.
        source: Pattern of the text.
        targets: Patterns of the paraphrase; the first is that of solved examples.
    """

    name: str
    source: str
    targets: tuple[str, ...]


RULES: dict[str, tuple[Rule, ...]] = {
    "train": (
        Rule("time first", "{p} {v} {t} {d}.", ("{d} {p} {v} {t}.", "{d}, {p} {v} {t}.")),
        Rule("because first", "{p} {i} because {q} {j}.", ("because {q} {j}, {p} {i}.",)),
        Rule("passive", "{p} {v} {t}.", ("{t} {t.was} {v} by {p}.",)),
        Rule("it was the thing", "{p} {v} {t} {d}.", ("it was {t} that {p} {v} {d}.",)),
        Rule("gave", "{p} gave {t} to {q}.", ("{p} gave {q} {t}.",)),
        Rule("belongs", "{p} {p.has} {t}.", ("{t} belong{t.s} to {p}.",)),
        Rule("equally", "{p} {p.be} as {a} as {q}.", ("{p} and {q} are equally {a}.",)),
        Rule("able", "{p} can {i.base}.", ("{p} {p.be} able to {i.base}.",)),
        Rule("seems", "it seems that {p} {p.be} {a}.", ("{p} seem{p.s} to be {a}.",)),
        Rule(
            "too",
            "{p} {p.was} so {a} that {p.he} could not {i.base}.",
            ("{p} {p.was} too {a} to {i.base}.",),
        ),
        Rule("so was", "{p} and {q} were {a}.", ("{p} {p.was} {a}, and so {q.was} {q}.",)),
        Rule("it took", "{p} needed {m} to {v.base} {t}.", ("it took {p} {m} to {v.base} {t}.",)),
        Rule("not only", "{p} {v} {t} and {u}.", ("{p} {v} not only {t} but also {u}.",)),
        Rule("after", "{p} {i} before {q} {j}.", ("{q} {j} after {p} {i}.",)),
        Rule("said that", '"I am {a}," said {p}.', ("{p} said that {p.he} {p.was} {a}.",)),
        Rule("would like", "{p} want{p.s} to {i.base}.", ("{p} would like to {i.base}.",)),
        Rule("owner first", "the {n} of {p} is {x}.", ("{p.gen} {n} is {x}.",)),
        Rule(
            "there first",
            "there {t.was} {t} {l}.",
            ("{l} there {t.was} {t}.", "{l}, there {t.was} {t}."),
        ),
        Rule("in front", "{p} {v} {t}, which {t.was} {x}.", ("{p} {v} {t.det} {x} {t.noun}.",)),
        Rule("prefers", "{p} like{p.s} {t} better than {u}.", ("{p} prefer{p.s} {t} to {u}.",)),
        Rule("perhaps", "{p} may {i.base}.", ("perhaps {p} will {i.base}.",)),
        Rule(
            "need not",
            "it is not necessary for {p} to {i.base}.",
            ("{p} {p.does} not have to {i.base}.", "{p} {p.does} not need to {i.base}."),
        ),
    ),
    "validation": (
        Rule("although", "{p} {i}, but {q} {j}.", ("although {p} {i}, {q} {j}.",)),
        Rule("will be", "{p} will {v.base} {t}.", ("{t} will be {v} by {p}.",)),
        Rule("it was then", "{p} {v} {t} {d}.", ("it was {d} that {p} {v} {t}.",)),
        Rule("property", "{p} owned {t}.", ("{t} {t.was} the property of {p}.",)),
        Rule("less", "{p} {p.be} more {c} than {q}.", ("{q} {q.be} less {c} than {p}.",)),
        Rule("managed", "in the end {p} could {i.base}.", ("{p} finally managed to {i.base}.",)),
        Rule(
            "neither",
            "{p} {p.was} not {a}, and {q} {q.was} not {a}.",
            ("neither {p} nor {q} {q.was} {a}.",),
        ),
        Rule(
            "whether",
            '{p} asked {q}: "are you {a}?"',
            ("{p} asked {q} whether {q.he} {q.was} {a}.", "{p} asked {q} if {q.he} {q.was} {a}."),
        ),
        Rule("while", "{p} {i} and {j} at the same time.", ("{p} {i} while {j.ing}.",)),
        Rule("see", "{t} can be seen {l}.", ("{l} you can see {t}.", "{l}, you can see {t}.")),
        Rule("spent", "{p} {v} {t} in {m}.", ("{p} spent {m} {v.ing} {t}.",)),
        Rule("let us", "why do we not {i.base} {l}?", ("let us {i.base} {l}.",)),
    ),
    "test": (
        Rule("as soon as", "{q} {j}, and then {p} {i}.", ("{p} {i} as soon as {q} {j}.",)),
        Rule("has been", "{p} {p.has} {v} {t}.", ("{t} {t.has} been {v} by {p}.",)),
        Rule("it was the person", "{p} {v} {t} {d}.", ("it was {p} who {v} {t} {d}.",)),
        Rule("got", "{p} got {t} from {q}.", ("{q} gave {t} to {p}.", "{q} gave {p} {t}.")),
        Rule("place first", "{p} {v} {t} {l}.", ("{l} {p} {v} {t}.", "{l}, {p} {v} {t}.")),
        Rule("not as", "{p} {p.be} not as {c} as {q}.", ("{q} {q.be} more {c} than {p}.",)),
        Rule("promised", '"we will {i.base}," said {p}.', ("{p} promised to {i.base}.",)),
        Rule("both", "{p} {i}, and {q} {i} too.", ("both {p} and {q} {i}.",)),
        Rule("doing", "it is {c} to {v.base} {t}.", ("{v.ing} {t} is {c}.",)),
        Rule("any more", "{p} used to {i.base}.", ("{p} {p.does} not {i.base} any more.",)),
        Rule("own quality", "{p} {p.has} a {x} {n}.", ("{p.gen} {n} is {x}.",)),
        Rule(
            "that clause",
            "{p} {v} {t}, and {t.he} {t.was} {x}.",
            ("{t} that {p} {v} {t.was} {x}.", "{t} which {p} {v} {t.was} {x}."),
        ),
    ),
}
"""The rules of each split."""


def rows() -> Iterator[dict[str, Any]]:
    """Yields rows text, target (several where several are right), rule, split.

    Solved examples of a rule, which are not asked, have `shown` "yes". The other rows of the rule
    share no word of a list with them. No text stands in two rows.
    """
    known: set[str] = set()
    for split, rules in RULES.items():
        for rule in rules:
            for is_shown, count in ((True, SHOWN), (False, TEXTS[split])):
                for text, targets in _pairs(rule, count, known, is_shown=is_shown):
                    target = targets if len(targets) > 1 else targets[0]
                    row = {"text": text, "target": target, "rule": rule.name, "split": split}
                    yield row | ({"shown": "yes"} if is_shown else {})


def _pairs(
    rule: Rule, count: int, known: set[str], *, is_shown: bool
) -> Iterator[tuple[str, list[str]]]:
    """Yields so many new texts of a rule with their paraphrases, and adds them to those known."""
    made = 0
    for number in itertools.count():
        filling = _filling(f"{rule.name} {number}", is_shown=is_shown)
        text, *targets = (each.format(**filling) for each in (rule.source, *rule.targets))
        if text not in known and not _WRONG_ARTICLE.search(" ".join([text, *targets])):
            known.add(text)
            made += 1
            yield text, targets
        if made == count:
            return


def _filling(key: str, *, is_shown: bool) -> dict[str, Any]:
    """Returns a word for each slot; the words of two slots with the same list differ."""
    filling: dict[str, Any] = {}
    for slot, all_words in SLOTS.items():
        words = rule_words.words(all_words, is_shown=is_shown)
        free = [word for word in words if word not in filling.values()]
        filling[slot] = free[_digest(f"{key} {slot}") % len(free)]
    return filling


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
