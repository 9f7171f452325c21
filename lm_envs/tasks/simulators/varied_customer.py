"""Customers whose mood, patience and mistakes show in their wording only.

Owns how a customer reacts to a line: what is asked, in which tone, how often. The sentences are in
`customer_wordings`. Knows nothing of models, tokens or rewards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lm_envs.tasks.simulators import customer_wordings as wordings
from lm_envs.tasks.simulators.customer import (
    GOODBYE,
    QUESTIONS,
    REQUESTS,
    VALUES,
    agent_lines,
    asked_slot,
    is_polite,
)
from lm_envs.tasks.simulators.customer_wordings import Pool

MOODS = ("hurried", "formal", "easy")
CLARIFY = ("What is it about?", "How may I help you?")
CONFIRM = ("Is that right?", "May I ask whether that is right?")
"""The agent's lines beside questions and grants: a short and a polite one."""

_ASKING = {*CLARIFY, *CONFIRM, *(line for forms in QUESTIONS.values() for line in forms)}
"""Lines that grant nothing."""

WITHHELD = 0.7
"""Probability that a question in the wrong tone gets no answer."""

VOLUNTEERED = {"hurried": 0.3, "formal": 0.3, "easy": 0.8}
"""Chance that an answer gives the next missing slot too, by mood."""

REMARK, HINT = 0.5, 0.5
"""Chances that an answer shows the mood, and that it names a request that was not named before."""

DOUBT = {True: 0.85, False: 0.15}
"""Probability that a sentence of doubt follows a value, by whether the value is mistaken."""

WARMED_UP, PUT_OFF = 2, 2
"""Number of lines in the right tone after which a formal customer becomes easy, and number of the
agent's faults after which any customer becomes hurried."""

LEAVES = "Then I go elsewhere."
WRONG_GRANT = "No, that is not what I want."
CONFIRMED = "Yes, that is right."
NOT_NEEDED = "That has nothing to do with it."


@dataclass(frozen=True, slots=True)
class VariedCustomer:
    """A customer with one request, a mood, and patience for a few lines.

    Attributes:
        request: Name in `REQUESTS`.
        item: What was bought.
        values: Value of each slot of the request that the customer means.
        stated: Value of each slot that the customer states first; one may be mistaken.
        mood: One of `MOODS`, at the beginning.
        patience: Number of lines before the customer leaves; faults cost one more.
        given: Slots that the opening states.
        is_vague: Whether the opening does not name the request.
        opening: The customer's first line.
        split: Split of the customer and of all wordings.
        draws: Uniform numbers in [0, 1), six for each of the agent's lines.
    """

    request: str
    item: str
    values: dict[str, str]
    stated: dict[str, str]
    mood: str
    patience: int
    given: tuple[str, ...]
    is_vague: bool
    opening: str
    split: str
    draws: tuple[tuple[float, ...], ...]

    @property
    def description(self) -> str:
        """Request, opening and values as one text."""
        return " ".join([self.request, self.opening, *self.values.values()])

    @property
    def grant(self) -> str:
        """The agent's line that grants the request with the values that the customer means."""
        return REQUESTS[self.request].grant.format(**self.values)

    def converse(self, turns: Sequence[str]) -> "State":
        """Returns the state after the agent's lines."""
        state = State(self)
        for turn in turns:
            state.add(turn)
        return state

    def options(self, turns: Sequence[str]) -> list[tuple[str, bool]]:
        """Returns the lines that an agent can choose from, and which have an effect now.

        These have no effect: questions about a known slot, grants of a request with an unknown
        slot, and confirmations before any slot is known.
        """
        known = self.converse(turns).known
        is_known = [slot in known for slot in QUESTIONS for _ in QUESTIONS[slot]]
        # Each grant is offered in a short and a polite form.
        is_filled = [
            set(request.slots) <= set(known) for request in REQUESTS.values() for _ in range(2)
        ]
        enabled = [*(not each for each in is_known), *is_filled]
        lines = [*zip(agent_lines(known), enabled, strict=True)]
        lines += [(line, True) for line in CLARIFY]
        return lines + [(line, bool(known)) for line in CONFIRM]

    def oracle_line(self, turns: Sequence[str]) -> str:
        """Returns the line of an agent that knows mood, request and mistakes."""
        state = self.converse(turns)
        missing = state.missing
        is_kind = state.mood == "formal" or (state.mood == "easy" and len(missing) > 1)
        if missing:
            return QUESTIONS[missing[0]][is_kind]
        return CONFIRM[is_kind] if state.mistaken else self.grant


@dataclass(slots=True)
class State:
    """A conversation with a customer.

    Attributes:
        customer: The customer.
        known: Value of each slot that was stated, as it was stated last.
        replies: The customer's lines, the opening first.
        is_satisfied: Whether the request was granted with every value that the customer means.
        is_over: Whether the customer has ended the conversation.
        mood: Of the customer now.
        patience: Number of lines before the customer leaves.
        is_named: Whether the customer has named the request.
    """

    customer: VariedCustomer
    known: dict[str, str] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    is_satisfied: bool = False
    is_over: bool = False
    mood: str = ""
    patience: int = 0
    is_named: bool = False
    _well_asked: int = 0
    _faults: int = 0

    def __post_init__(self) -> None:
        customer = self.customer
        self.known = {slot: customer.stated[slot] for slot in customer.given}
        self.replies = [customer.opening]
        self.mood, self.patience = customer.mood, customer.patience
        self.is_named = not customer.is_vague

    @property
    def missing(self) -> list[str]:
        """Slots of the request that were not stated."""
        return [slot for slot in REQUESTS[self.customer.request].slots if slot not in self.known]

    @property
    def mistaken(self) -> list[str]:
        """Slots that were stated with another value than the customer means."""
        values = self.customer.values
        return [slot for slot, value in self.known.items() if value != values[slot]]

    def add(self, line: str) -> None:
        """Adds the customer's reply to one line of the agent."""
        draws = self.customer.draws[(len(self.replies) - 1) % len(self.customer.draws)]
        self.patience -= 1
        reply = self._grant_reply(line) or self._question_reply(line, draws)
        if not self.is_over and self.patience <= 0:
            reply, self.is_over = LEAVES, True
        self.replies.append(reply)

    def _grant_reply(self, line: str) -> str:
        """Returns the reply to a grant; empty if the line grants nothing."""
        if line in _ASKING:  # spares the grants' texts, which every replay would format again
            return ""
        customer = self.customer
        granted = {
            name: request.grant.format(**{s: self.known.get(s, "it") for s in VALUES})
            for name, request in REQUESTS.items()
        }
        names = [name for name, text in granted.items() if text in line]
        if not names:
            return ""
        if customer.request in names and not self.missing:
            self.is_satisfied, self.is_over = not self.mistaken, True
            return GOODBYE
        return self._fault(WRONG_GRANT)

    def _question_reply(self, line: str, draws: tuple[float, ...]) -> str:
        slot, lowered = asked_slot(line), line.lower()
        is_confirmation, is_clarification = (
            "right" in lowered,
            "about" in lowered or "help" in lowered,
        )
        if slot is None and not is_confirmation and not is_clarification:
            return self._fault(self._drawn(wordings.REFUSALS[""], draws[0]))
        is_wrong_tone = (self.mood == "hurried") if is_polite(line) else (self.mood == "formal")
        if is_wrong_tone and draws[1] < WITHHELD:
            return self._withheld(draws)
        if not is_wrong_tone:
            self._well_asked += 1
            if self.mood == "formal" and self._well_asked == WARMED_UP:
                self.mood = "easy"
        if slot is not None:
            return self._slot_reply(slot, is_polite(line), draws)
        return self._confirmation(draws) if is_confirmation else self._clarification(draws)

    def _slot_reply(self, slot: str, is_polite_line: bool, draws: tuple[float, ...]) -> str:
        if slot not in self.customer.values:
            return self._fault(NOT_NEEDED)
        if slot in self.known:
            return self._fault(f"I gave it: {self.known[slot]}.")
        stated = [slot]
        rest = [each for each in self.missing if each != slot]
        # An easy customer is talkative with a polite agent only.
        if rest and draws[2] < VOLUNTEERED[self.mood] and (is_polite_line or self.mood != "easy"):
            stated.append(rest[0])
        sentences = [self._state(each, draws[3]) for each in stated]
        if not self.is_named and draws[4] < HINT:
            sentences.append(self._name(draws[5]))
        return " ".join([*sentences, *self._remark(draws)])

    def _confirmation(self, draws: tuple[float, ...]) -> str:
        if not self.mistaken:
            return " ".join([CONFIRMED, *self._remark(draws)])
        (slot, *_) = self.mistaken
        self.known[slot] = self.customer.values[slot]
        return f"No, wait, it is {self.known[slot]}."

    def _clarification(self, draws: tuple[float, ...]) -> str:
        if self.is_named:
            return self._fault(self._name(draws[5]))
        return " ".join([self._name(draws[5]), *self._remark(draws)])

    def _state(self, slot: str, draw: float) -> str:
        customer = self.customer
        value = self.known[slot] = customer.stated[slot]
        sentence = self._drawn(wordings.ANSWERS[slot], draw).format(value)
        is_doubted = (draw * 97.0) % 1.0 < DOUBT[value != customer.values[slot]]
        doubt = self._drawn(wordings.DOUBTS, (draw * 31.0) % 1.0)
        return f"{sentence} {doubt}" if is_doubted else sentence

    def _name(self, draw: float) -> str:
        self.is_named = True
        sentence = self._drawn(wordings.WISHES[self.customer.request], draw)
        return sentence.format(item=self.customer.item)

    def _remark(self, draws: tuple[float, ...]) -> list[str]:
        pool = wordings.REMARKS[self.mood]
        return [self._drawn(pool, draws[0] / REMARK)] if draws[0] < REMARK else []

    def _withheld(self, draws: tuple[float, ...]) -> str:
        mood = self.mood if draws[0] < REMARK else ""
        return self._fault(self._drawn(wordings.REFUSALS[mood], draws[3]), patience=0)

    def _fault(self, reply: str, patience: int = 1) -> str:
        self.patience -= patience
        self._faults += 1
        if self._faults == PUT_OFF:
            self.mood = "hurried"
        return reply

    def _drawn(self, pool: Pool, draw: float) -> str:
        sentences = pool.get(self.customer.split)
        return sentences[int(draw * len(sentences))]
