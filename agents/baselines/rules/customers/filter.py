"""A Bayes filter over what a customer hides: request, mistake, mood, patience, and what was named.

Owns the hypotheses and their probabilities. It knows the simulator: the chances of
`customer_population` and `varied_customer`, and the rules of `varied_customer.State`, which it
follows once for each hypothesis. No agent is given any of these. Reads no text.
"""

from dataclasses import dataclass

import numpy as np

from agents.baselines.rules.customer_beliefs import Beliefs
from agents.baselines.rules.customers.readings import PLACE, Kind, Line, Opening, Reading
from agents.baselines.rules.customers.sentences import GREETING, REFUSAL, SLOTS, VAGUE
from lm_envs.tasks.simulators.customer import REQUESTS
from lm_envs.tasks.simulators.customer_population import GIVEN, GREETED, MISTAKEN, PATIENCE
from lm_envs.tasks.simulators.customer_population import VAGUE as VAGUE_CHANCE
from lm_envs.tasks.simulators.varied_customer import (
    DOUBT,
    HINT,
    MOODS,
    PUT_OFF,
    REMARK,
    VOLUNTEERED,
    WARMED_UP,
    WITHHELD,
)

HYPOTHESIS = np.dtype(
    [
        ("weight", np.float64),
        ("request", np.int64),
        ("mistaken", np.int64),
        ("mood", np.int64),
        ("patience", np.int64),
        ("well_asked", np.int64),
        ("faults", np.int64),
        ("is_named", np.bool_),
    ]
)
"""One customer that there may be: the places of its request, of its mistaken slot and of its mood
now; see `varied_customer.State` for the others."""

NONE = -1
"""Place of the mistaken slot of a customer without a mistake."""

NEEDED = np.array([[slot in each.slots for slot in SLOTS] for each in REQUESTS.values()])
"""Whether a request (5) needs a slot (4)."""

ABLE = np.array([slot != "reason" for slot in SLOTS])
"""Slots that an opening may state and whose value may be mistaken (4,)."""

HURRIED, FORMAL, EASY = (MOODS.index(mood) for mood in ("hurried", "formal", "easy"))
_WISHES = np.array([PLACE[name] for name in REQUESTS])
_MOODS = np.array([PLACE[name] for name in MOODS])
_VOLUNTEERED = np.array([VOLUNTEERED[mood] for mood in MOODS])


@dataclass(frozen=True, slots=True)
class FilteredBeliefs(Beliefs):
    """Probabilities of what a customer does not say.

    Attributes:
        named: Probability that the customer has named the request.
    """

    named: float


@dataclass(frozen=True, slots=True)
class Posterior:
    """The hypotheses that are possible after a conversation.

    Attributes:
        table: (H,) of `HYPOTHESIS`; the weights sum to 1.
        known: Whether the value of a slot was stated (4,).
    """

    table: np.ndarray
    known: np.ndarray

    @property
    def beliefs(self) -> FilteredBeliefs:
        """What is believed of the customer."""
        table, weights = self.table, self.table["weight"]
        requests = np.bincount(table["request"], weights, len(REQUESTS))
        moods = np.bincount(table["mood"], weights, len(MOODS))
        return FilteredBeliefs(
            dict(zip(REQUESTS, requests.tolist(), strict=True)),
            dict(zip(MOODS, moods.tolist(), strict=True)),
            float(weights[_is_mistaken(table, self.known)].sum()),
            float(weights[table["is_named"]].sum()),
        )


def first_posterior(opening: Opening) -> Posterior:
    """Returns the hypotheses after a customer's first line, at most 144."""
    given = np.isin(np.arange(len(SLOTS)), opening.stated)
    rows = [
        (0.0, request, mistaken, mood, patience, 0, 0, is_named)
        for request, needed in enumerate(NEEDED & ABLE)
        if not (given & ~needed).any()
        for mistaken in (NONE, *np.flatnonzero(needed).tolist())
        for mood, name in enumerate(MOODS)
        for patience in PATIENCE[name]
        for is_named in (False, True)
    ]
    table = np.array(rows, HYPOTHESIS)
    weight = _chance_of_stated(table, opening, given)
    greeting, wish, named = opening.greeting, opening.wish, table["is_named"]
    weight *= (
        GREETED * greeting[_MOODS[table["mood"]]] + (1.0 - GREETED) * greeting[PLACE[GREETING]]
    )
    weight *= np.where(
        named,
        (1.0 - VAGUE_CHANCE) * wish[_WISHES[table["request"]]],
        VAGUE_CHANCE * wish[PLACE[VAGUE]],
    )
    return Posterior(_normalized(table, weight), given)


def updated(posterior: Posterior, line: Line, readings: list[Reading]) -> Posterior:
    """Returns the hypotheses after a line of the agent and the customer's reply.

    Args:
        posterior: Before the line.
        line: Of the agent.
        readings: The ways to read the reply, one of which is right; without any, nothing changes.
    """
    if not readings:
        return posterior
    tables = [_reacted(posterior, line, reading) for reading in readings]
    table, known = np.concatenate(tables), posterior.known.copy()
    known[[slot for reading in readings for slot in reading.stated]] = True
    return Posterior(_normalized(table, table["weight"]), known)


def _chance_of_stated(table: np.ndarray, opening: Opening, given: np.ndarray) -> np.ndarray:
    """Returns the chances (H,) of the values and doubts of an opening, and of the mistake."""
    able = NEEDED[table["request"]] & ABLE
    chance = np.where(table["mistaken"] == NONE, 1.0 - MISTAKEN, MISTAKEN / able.sum(1))
    chance *= np.where(able, np.where(given, GIVEN, 1.0 - GIVEN), 1.0).prod(1)
    for slot in opening.stated:
        doubt = np.where(table["mistaken"] == slot, DOUBT[True], DOUBT[False])
        chance *= doubt if slot in opening.doubted else 1.0 - doubt
    return chance


def _reacted(posterior: Posterior, line: Line, reading: Reading) -> np.ndarray:
    """Returns the hypotheses with weights times the chance of a reply, changed by it."""
    table = posterior.table.copy()
    table["patience"] -= 1
    if reading.kind is Kind.WRONG_GRANT:
        # A grant is offered only if all its slots are known.
        table["weight"] *= table["request"] != line.request
        return _faulted(table, patience=1)
    is_wrong_tone = table["mood"] == (HURRIED if line.is_polite else FORMAL)
    if reading.refusal is not None:
        shares = reading.refusal
        table["weight"] *= is_wrong_tone * WITHHELD
        shown = shares[_MOODS[table["mood"]]]
        table["weight"] *= REMARK * shown + (1.0 - REMARK) * shares[PLACE[REFUSAL]]
        return _faulted(table, patience=0)
    table["weight"] *= 1.0 - WITHHELD * is_wrong_tone
    table["well_asked"] += ~is_wrong_tone
    is_warm = ~is_wrong_tone & (table["mood"] == FORMAL) & (table["well_asked"] == WARMED_UP)
    table["mood"][is_warm] = EASY
    return _answered(table, posterior.known, line, reading)


def _answered(table: np.ndarray, known: np.ndarray, line: Line, reading: Reading) -> np.ndarray:
    """Returns the hypotheses after a reply to a question in a tone that the customer accepts."""
    if reading.kind is Kind.NOT_NEEDED:
        table["weight"] *= ~NEEDED[table["request"], line.slot]
        return _faulted(table, patience=1)
    if reading.kind is Kind.CORRECTED:
        table["weight"] *= table["mistaken"] == reading.stated[0]
        table["mistaken"] = NONE
        return table
    remarked = _chance_of_remark(table, reading)
    if reading.kind is Kind.CONFIRMED:
        table["weight"] *= remarked * ~_is_mistaken(table, known)
        return table
    if reading.kind is Kind.STATED:
        table["weight"] *= remarked * _chance_of_values(table, known, line, reading)
        table["weight"] *= _chance_of_doubts(table, reading)
        table["weight"] *= _chance_of_hint(table, reading)
        table["is_named"] |= reading.wish is not None
        return table
    assert reading.wish is not None
    was_named = table["is_named"].copy()
    table["weight"] *= reading.wish[_WISHES[table["request"]]]
    # A customer that named the request before repeats it as after a fault, without a remark.
    table["weight"] *= np.where(was_named, float(reading.remark is None), remarked)
    table["is_named"] = True
    return _faulted(table, patience=1, where=was_named)


def _chance_of_remark(table: np.ndarray, reading: Reading) -> np.ndarray | float:
    if reading.remark is None:
        return 1.0 - REMARK
    return REMARK * reading.remark[_MOODS[table["mood"]]]


def _chance_of_values(
    table: np.ndarray, known: np.ndarray, line: Line, reading: Reading
) -> np.ndarray:
    """Returns the chances (H,) that just these slots are stated in answer to a question."""
    rest = NEEDED[table["request"]] & ~known
    rest[:, line.slot] = False
    more = [slot for slot in reading.stated if slot != line.slot]
    is_talkative = line.is_polite | (table["mood"] != EASY)
    chance = np.where(rest.any(1) & is_talkative, _VOLUNTEERED[table["mood"]], 0.0)
    # No request has more than two slots, so that there is one to volunteer at most.
    chance = chance * rest[:, more[0]] if more else 1.0 - chance
    return chance * NEEDED[table["request"], line.slot]


def _chance_of_doubts(table: np.ndarray, reading: Reading) -> np.ndarray:
    """Returns the chances (H,) of the doubts: one number is drawn for all values of a reply."""
    least, most = np.zeros(len(table)), np.ones(len(table))
    for slot in reading.stated:
        doubt = np.where(table["mistaken"] == slot, DOUBT[True], DOUBT[False])
        if slot in reading.doubted:
            most = np.minimum(most, doubt)
        else:
            least = np.maximum(least, doubt)
    return (most - least).clip(0.0) * reading.doubt


def _chance_of_hint(table: np.ndarray, reading: Reading) -> np.ndarray:
    if reading.wish is None:
        return np.where(table["is_named"], 1.0, 1.0 - HINT)
    return np.where(table["is_named"], 0.0, HINT * reading.wish[_WISHES[table["request"]]])


def _faulted(table: np.ndarray, patience: int, where: np.ndarray | bool = True) -> np.ndarray:
    """Returns the hypotheses after a fault of the agent, which costs patience."""
    table["patience"] -= np.where(where, patience, 0)
    table["faults"] += where
    table["mood"][where & (table["faults"] == PUT_OFF)] = HURRIED
    return table


def _is_mistaken(table: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns whether a stated value is mistaken (H,)."""
    return (table["mistaken"] != NONE) & known[table["mistaken"]]


def _normalized(table: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns the possible hypotheses of customers that stay, with weights that sum to 1."""
    table["weight"] = weight
    kept = table[(weight > 0.0) & (table["patience"] > 0)]
    kept["weight"] /= kept["weight"].sum()
    return kept
