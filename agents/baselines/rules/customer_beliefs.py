"""Classifiers of a customer's request, mood and mistakes from a conversation.

Owns the texts that they read and the conversations that they learn from. Knows no policy.
"""

import random
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.lru import LRUCache
from lm_envs.tasks.simulators.customer import QUESTIONS, REQUESTS, VALUES, asked_slot, is_polite
from lm_envs.tasks.simulators.varied_customer import (
    CLARIFY,
    CONFIRM,
    CONFIRMED,
    NOT_NEEDED,
    WRONG_GRANT,
    VariedCustomer,
)

PENALTY = 10.0
"""C of the logistic regressions, the inverse strength of their penalty."""

ANALYZERS = {
    "word": ("word", (1, 2), 0.0),
    "single_word": ("word", (1, 1), 0.0),
    "char_wb": ("char_wb", (2, 4), 0.0),
    "char_wb_dropout": ("char_wb", (2, 4), 0.2),
}
"""What the classifiers count, as in scikit-learn, the kind of unit and the sizes of its groups; and
the share of the words that is left out of the texts that they learn from."""

TONES = ("opening", "polite_line", "short_line")
"""Marks before a customer's line: that of the first, and those of lines after a polite and a short
one of the agent."""

NUM_WORDS = 100_000
"""Words whose groups of characters are kept."""

_LARGEST_HASH = 1009
"""A prime: without it, words of the same length would be left out together, as CRC-32 is linear."""

MOST_TURNS = 6
"""Turns of a conversation that is learned from."""

CORRECTION = "No, wait, it is "
"""Beginning of the customer's reply to a confirmation of a mistaken value."""

LEAST_SHARE = 0.02
"""Factor of a request's probability after the customer refused it."""

MOST_CONVERSATIONS = 10_000
"""Conversations whose beliefs are kept, or what is computed from these: about 10 MB."""

LONGEST_REFUSAL = 6
"""Words; a longer reply without a value names a request."""

VALUE = re.compile("|".join(re.escape(value) for values in VALUES.values() for value in values))
"""Matches a value of a slot."""

GRANTS = {
    name: re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(request.grant)))
    for name, request in REQUESTS.items()
}
"""Matches the agent's line that grants a request, by the request's name."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The customer's lines, the opening first, and the agent's lines between them."""

    replies: tuple[str, ...]
    turns: tuple[str, ...]

    @property
    def customer_text(self) -> str:
        """The customer's lines."""
        return " ".join(self.replies)

    @property
    def text(self) -> str:
        """The customer's lines, each after the tone of the agent's line before it."""
        first, polite, short = TONES
        tones = [polite if is_polite(turn) else short for turn in self.turns]
        pairs = zip([first, *tones], self.replies, strict=True)
        return " ".join(f"{tone} {reply}" for tone, reply in pairs)

    @property
    def is_refused(self) -> bool:
        """Whether the last reply looks like one to a wrong tone: short, and without a value."""
        last = self.replies[-1]
        is_short = len(last.split()) <= LONGEST_REFUSAL and not self.has_value(last)
        return is_short and "right" not in last and last not in (NOT_NEEDED, WRONG_GRANT)

    @property
    def is_confirmed(self) -> bool:
        """Whether the customer answered a confirmation."""
        pairs = zip(self.turns, self.replies[1:], strict=True)
        return any(t in CONFIRM and r.startswith((CONFIRMED, CORRECTION)) for t, r in pairs)

    @staticmethod
    def has_value(reply: str) -> bool:
        """Returns whether a reply has a value of a slot."""
        return VALUE.search(reply) is not None


def conversation(episodes: EpisodeBuffer, row: int) -> Conversation:
    """Returns what customer and agent have written in a row."""
    lines = [episodes.prompts[row].split("\n", 1)[0], *(r.text for r in episodes.replies[row])]
    replies = [line.removeprefix("Customer: ") for line in lines]
    return Conversation(tuple(replies), tuple(episodes.turns[row]))


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Probabilities of what a customer does not say.

    Attributes:
        requests: Probability of each request.
        moods: Probability of each mood.
        mistaken: Probability that a stated value is mistaken.
    """

    requests: dict[str, float]
    moods: dict[str, float]
    mistaken: float


@dataclass(frozen=True, slots=True)
class Classifiers:
    """Fitted objects of scikit-learn: what counts texts, and what returns probabilities of classes.

    Attributes:
        spoken: Counts the customer's lines.
        request: Classifies these counts.
        mistaken: Classifies the same counts.
        whole: Counts the customer's lines with the tones before them.
        mood: Classifies these counts.
    """

    spoken: Any
    request: Any
    mistaken: Any
    whole: Any
    mood: Any


def learned_classifiers(customers: Sequence[VariedCustomer], features: str) -> Classifiers:
    """Returns logistic regressions over TF-IDF that learned from simulated conversations.

    Args:
        customers: One conversation is simulated with each.
        features: "word" for words and pairs of words, "single_word", "char_wb" for 2 to 4
            characters of a word, or "char_wb_dropout" for the same from texts without some words,
            so that no word is relied on alone.

    Raises:
        ImportError: Without scikit-learn.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    rows = _practice(customers)
    kind, sizes, dropout = ANALYZERS[features]
    counted: dict[str, Any] = {"analyzer": kind, "ngram_range": sizes}
    if kind == "char_wb":
        counted = {"analyzer": _analyzer(sizes)}

    def count(texts: list[str]) -> tuple[Any, Any]:
        texts = [left_out(text, dropout, salt) for salt, text in enumerate(texts)]
        vectorizer = TfidfVectorizer(**counted, sublinear_tf=True)
        return vectorizer, vectorizer.fit_transform(texts)

    def classify(counts: Any, labels: list[Any]) -> Any:  # noqa: ANN401 - scikit-learn's
        return LogisticRegression(C=PENALTY, max_iter=1000).fit(counts, labels)

    spoken, counts = count([talk.customer_text for talk, *_ in rows])
    whole, toned_counts = count([talk.text for talk, *_ in rows])
    return Classifiers(
        spoken,
        classify(counts, [request for _, request, _, _ in rows]),
        classify(counts, [is_mistaken for *_, is_mistaken in rows]),
        whole,
        classify(toned_counts, [mood for _, _, mood, _ in rows]),
    )


def _analyzer(sizes: tuple[int, int]) -> Callable[[str], list[str]]:
    """Returns scikit-learn's analyzer "char_wb", which here analyzes each word once."""
    from sklearn.feature_extraction.text import CountVectorizer

    analyze = CountVectorizer(analyzer="char_wb", ngram_range=sizes).build_analyzer()
    groups = lru_cache(NUM_WORDS)(analyze)
    return lambda text: [group for word in text.split() for group in groups(word)]


def left_out(text: str, dropout: float, salt: int) -> str:
    """Returns a text without a share of its words; a word is left out everywhere or nowhere.

    Args:
        text: Words between spaces; those of `TONES` always stay.
        dropout: The share, 0 <= dropout < 1.
        salt: Determines which words are left out.
    """
    if not dropout:
        return text
    least = dropout * _LARGEST_HASH
    words = text.split()
    return " ".join(
        word
        for word in words
        if word in TONES or zlib.crc32(word.encode(), salt) % _LARGEST_HASH >= least
    )


def beliefs(
    classifiers: Classifiers,
    talks: Sequence[Conversation],
    dropout: float = 0.0,
    salts: Sequence[int] = (),
) -> list[Beliefs]:
    """Returns the beliefs about the customer of each conversation.

    Args:
        classifiers: What reads the conversations.
        talks: N conversations.
        dropout: Share of the words that the classifiers do not read.
        salts: N numbers, which determine these words.
    """
    spoken, whole = [talk.customer_text for talk in talks], [talk.text for talk in talks]
    if dropout:
        spoken, whole = (
            [left_out(text, dropout, salt) for text, salt in zip(texts, salts, strict=True)]
            for texts in (spoken, whole)
        )
    counts, toned_counts = classifiers.spoken.transform(spoken), classifiers.whole.transform(whole)
    requests = classifiers.request.predict_proba(counts)
    moods = classifiers.mood.predict_proba(toned_counts)
    mistaken = classifiers.mistaken.predict_proba(counts)[:, 1]
    names, feelings = classifiers.request.classes_, classifiers.mood.classes_
    found = []
    for row, talk in enumerate(talks):
        shares = _without_refused(dict(zip(names, requests[row], strict=True)), talk)
        mood = dict(zip(feelings, moods[row], strict=True))
        found.append(Beliefs(shares, mood, float(mistaken[row])))
    return found


def cached_beliefs(classifiers: Classifiers) -> Callable[[Sequence[Conversation]], list[Beliefs]]:
    """Returns the function of N conversations that computes each one's beliefs once.

    Rules with other thresholds have the same conversations up to the turn where they differ.
    """
    cache = LRUCache[Conversation, Beliefs](MOST_CONVERSATIONS)
    return lambda talks: cache.get_or_compute(
        talks, lambda places: beliefs(classifiers, [talks[place] for place in places])
    )


def _without_refused(shares: dict[str, float], talk: Conversation) -> dict[str, float]:
    """Returns the probabilities of requests after what the customer refused."""
    shares = dict(shares)
    for turn, reply in zip(talk.turns, talk.replies[1:], strict=True):
        for name, request in REQUESTS.items():
            is_granted = reply == WRONG_GRANT and GRANTS[name].search(turn) is not None
            is_foreign = reply == NOT_NEEDED and asked_slot(turn) in request.slots
            shares[name] *= LEAST_SHARE if is_granted or is_foreign else 1.0
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def _practice(
    customers: Sequence[VariedCustomer],
) -> list[tuple[Conversation, str, str, bool]]:
    """Simulates one conversation with each customer.

    Returns:
        Each conversation after each turn, with request, mood, and whether a value is mistaken.
    """
    rng, rows = random.Random(0), []
    for customer in customers:
        turns: list[str] = []
        state = customer.converse(turns)
        while not state.is_over and len(turns) < MOST_TURNS:
            talk = Conversation(tuple(state.replies), tuple(turns))
            rows.append((talk, customer.request, state.mood, bool(state.mistaken)))
            enabled = [line for line, is_enabled in customer.options(turns) if is_enabled]
            asked = [line for slot in state.missing for line in QUESTIONS[slot]]
            usual = asked or list(CONFIRM)
            # Mostly sensible lines, so that the classifiers read conversations like the rule's.
            pool = usual if rng.random() < 0.6 else rng.choice([enabled, [*CLARIFY, *CONFIRM]])
            turns.append(rng.choice(pool))
            state = customer.converse(turns)
    return rows
