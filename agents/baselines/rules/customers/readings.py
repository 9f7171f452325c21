"""What a customer's reply can mean: which answer it is, and what each of its sentences shows.

Owns how lines of the agent and replies are read. Knows no dynamics and no probabilities beside
those of sentences.
"""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from agents.baselines.rules.customer_beliefs import CORRECTION, GRANTS
from agents.baselines.rules.customers.sentences import (
    CLARIFIED,
    ENDS,
    GREETINGS,
    MEANINGS,
    REFUSALS,
    SLOTS,
    WISHES,
    SentenceClassifier,
    sentences,
    stated_slot,
)
from lm_envs.tasks.simulators.customer import GOODBYE, REQUESTS, asked_slot, is_polite
from lm_envs.tasks.simulators.varied_customer import (
    CLARIFY,
    CONFIRM,
    CONFIRMED,
    LEAVES,
    NOT_NEEDED,
    WRONG_GRANT,
)

PLACE = {meaning: place for place, meaning in enumerate(MEANINGS)}
Shares = np.ndarray
"""Probabilities of the meanings (12,) of one sentence; 0 for those that are not possible."""


class Kind(Enum):
    """What a reply is."""

    WITHHELD = auto()
    STATED = auto()
    NOT_NEEDED = auto()
    CONFIRMED = auto()
    CORRECTED = auto()
    NAMED = auto()
    WRONG_GRANT = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the agent.

    Attributes:
        slot: Place of the slot that it asks for; None if it asks for none.
        request: Place of the request that it grants; None if it grants none.
        is_polite: Its tone.
    """

    slot: int | None
    request: int | None
    is_polite: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a reply.

    Attributes:
        kind: What the reply is.
        stated: Places of the slots whose value it has.
        doubted: Those of them that a sentence of doubt follows.
        doubt: Probability that these sentences are doubts, the product over all of them.
        wish: The sentence that names the request, if there is one.
        remark: The sentence that shows the mood, if there is one.
        refusal: The sentence in place of an answer, if the answer is withheld.
    """

    kind: Kind
    stated: tuple[int, ...] = ()
    doubted: tuple[int, ...] = ()
    doubt: float = 1.0
    wish: Shares | None = None
    remark: Shares | None = None
    refusal: Shares | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """A customer's first line.

    Attributes:
        greeting: Its first sentence.
        wish: Its second sentence, which may name no request.
        stated: Places of the slots whose value it has.
        doubted: Those of them that a sentence of doubt follows.
    """

    greeting: Shares
    wish: Shares
    stated: tuple[int, ...]
    doubted: tuple[int, ...]


class Reader:
    """Reads the replies of a customer.

    Args:
        classifier: Of sentences.
    """

    def __init__(self, classifier: SentenceClassifier) -> None:
        self._classifier = classifier

    def opening(self, text: str) -> Opening:
        """Returns what a customer's first line shows."""
        greeting, wish, *rest = sentences(text)
        stated, doubted, ends = _values(rest)
        doubted += stated[-1:] if ends else ()
        shares = self._shares
        return Opening(shares(greeting, GREETINGS), shares(wish, WISHES), stated, doubted)

    def readings(self, turn: str, reply: str) -> list[Reading]:
        """Returns the ways to read a reply to a line of the agent; none for a farewell."""
        if reply in (LEAVES, GOODBYE):
            return []
        if reply == WRONG_GRANT:
            return [Reading(Kind.WRONG_GRANT)]
        if reply == NOT_NEEDED:
            return [Reading(Kind.NOT_NEEDED)]
        if reply.startswith(CORRECTION):
            slot = stated_slot(reply)
            assert slot is not None
            return [Reading(Kind.CORRECTED, stated=(slot,))]
        if reply.startswith(CONFIRMED):
            return [Reading(Kind.CONFIRMED, remark=self._remark(sentences(reply)[1:]))]
        if turn in CLARIFY:
            return self._clarified(reply)
        if stated_slot(reply) is not None:
            return self._stated(reply)
        return [Reading(Kind.WITHHELD, refusal=self._shares(reply, REFUSALS))]

    def _clarified(self, reply: str) -> list[Reading]:
        """Returns the readings of a reply that names the request or refuses to."""
        first, *rest = sentences(reply)
        shares = self._shares(first, CLARIFIED)
        named = Reading(Kind.NAMED, wish=shares, remark=self._remark(rest))
        return [named] if rest else [named, Reading(Kind.WITHHELD, refusal=shares)]

    def _stated(self, reply: str) -> list[Reading]:
        """Returns the readings of values: doubt, a request and a mood may follow, in this order."""
        stated, doubted, ends = _values(sentences(reply))
        last, found = stated[-1], []
        shares = [self._shares(end, ENDS) for end in ends]
        for order in ("", "d", "w", "r", "dw", "dr", "wr", "dwr"):
            if len(order) == len(ends):
                parts = dict(zip(order, shares, strict=True))
                reading = Reading(
                    Kind.STATED,
                    stated,
                    (*doubted, last) if "d" in parts else doubted,
                    float(parts["d"][PLACE["doubt"]]) if "d" in parts else 1.0,
                    parts.get("w"),
                    parts.get("r"),
                )
                found.append(reading)
        return found

    def _remark(self, rest: list[str]) -> Shares | None:
        return self._shares(rest[0], ENDS) if rest else None

    def _shares(self, sentence: str, meanings: tuple[str, ...]) -> Shares:
        found = np.zeros(len(MEANINGS))
        places = [PLACE[meaning] for meaning in meanings]
        found[places] = self._classifier.probabilities(sentence, meanings)
        return found


def line_of(turn: str) -> Line:
    """Returns what a line of the agent asks for or grants."""
    if turn in CLARIFY or turn in CONFIRM:
        return Line(None, None, is_polite(turn))
    slot = asked_slot(turn)
    if slot is not None:
        return Line(SLOTS.index(slot), None, is_polite(turn))
    granted = [place for place, name in enumerate(REQUESTS) if GRANTS[name].search(turn)]
    return Line(None, granted[0], is_polite(turn))


def _values(parts: list[str]) -> tuple[tuple[int, ...], tuple[int, ...], list[str]]:
    """Returns the slots with a value, those that are doubted, and the sentences after the last.

    A sentence between two values is a doubt of the first.
    """
    stated: list[int] = []
    doubted: list[int] = []
    ends: list[str] = []
    for part in parts:
        slot = stated_slot(part)
        if slot is None:
            ends.append(part)
            continue
        doubted += stated[-1:] if ends else []
        stated.append(slot)
        ends = []
    return tuple(stated), tuple(doubted), ends
