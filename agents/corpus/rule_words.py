"""Words of English sentences with the forms that agree with them: was or were, him or them.

Data, and the forms of each word. Solved examples have other words than the texts to rewrite: the
lists alternate between the two, see `words`. Knows no rule of paraphrase.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_OTHER_CASES = {"he": ("him", "his"), "she": ("her", "her"), "they": ("them", "their")}


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun phrase; "{0}" of a pattern writes its text, "{0.was}" a form that agrees with it.

    Attributes:
        det: Words before the noun: an article, or nothing.
        noun: The rest of the phrase.
        he: "he", "she", "it" or "they".
    """

    det: str
    noun: str
    he: str

    def __str__(self) -> str:
        return f"{self.det} {self.noun}".strip()

    @property
    def is_plural(self) -> bool:
        """Whether verbs have the form of the plural."""
        return self.he == "they"

    @property
    def be(self) -> str:
        """Present of "be"."""
        return "are" if self.is_plural else "is"

    @property
    def was(self) -> str:
        """Past of "be"."""
        return "were" if self.is_plural else "was"

    @property
    def has(self) -> str:
        """Present of "have"."""
        return "have" if self.is_plural else "has"

    @property
    def does(self) -> str:
        """Present of "do"."""
        return "do" if self.is_plural else "does"

    @property
    def s(self) -> str:
        """Ending of a regular verb in the present."""
        return "" if self.is_plural else "s"

    @property
    def him(self) -> str:
        """The pronoun as an object."""
        return _OTHER_CASES[self.he][0]

    @property
    def his(self) -> str:
        """The pronoun before a noun."""
        return _OTHER_CASES[self.he][1]

    @property
    def gen(self) -> str:
        """The phrase before a noun."""
        return f"{self}'" if str(self).endswith("s") else f"{self}'s"


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb, perhaps with more words; "{0}" writes its past.

    Attributes:
        base: "sing in the choir".
        past: "sang in the choir".
        ing: "singing in the choir".
    """

    base: str
    past: str
    ing: str

    def __str__(self) -> str:
        return self.past


PEOPLE = tuple(
    Phrase(*each)
    for each in (
        ("", "Anna", "she"),
        ("the", "old king", "he"),
        ("the", "children", "they"),
        ("", "Peter", "he"),
        ("my", "sister", "she"),
        ("two", "young men", "they"),
        ("her", "father", "he"),
        ("our", "neighbours", "they"),
        ("the", "workers", "they"),
        ("his", "mother", "she"),
        ("the", "new teachers", "they"),
        ("", "Mr Brown", "he"),
        ("", "Maria", "she"),
        ("the", "boys in the street", "they"),
        ("their", "uncle", "he"),
        ("the", "queen of Spain", "she"),
        ("my", "best friends", "they"),
        ("", "Paul", "he"),
        ("his", "daughter", "she"),
        ("the", "farmers", "they"),
    )
)

THINGS = tuple(
    Phrase(*each)
    for each in (
        ("the", "bridge", "it"),
        ("a", "house", "it"),
        ("the", "windows", "they"),
        ("some", "letters", "they"),
        ("the", "garden wall", "it"),
        ("the", "boat", "it"),
        ("two", "chairs", "they"),
        ("a", "picture of the sea", "it"),
        ("the", "roads", "they"),
        ("three", "old books", "they"),
        ("a", "small table", "it"),
        ("the", "church", "it"),
        ("the", "machines", "they"),
        ("the", "doors of the house", "they"),
        ("a", "horse", "it"),
        ("the", "car", "it"),
        ("some", "new ships", "they"),
        ("four", "lamps", "they"),
        ("the", "school", "it"),
        ("a", "carpet", "it"),
    )
)

ACTIONS = tuple(
    Verb(*each)
    for each in (
        ("sell", "sold", "selling"),
        ("repair", "repaired", "repairing"),
        ("find", "found", "finding"),
        ("buy", "bought", "buying"),
        ("clean", "cleaned", "cleaning"),
        ("paint", "painted", "painting"),
        ("protect", "protected", "protecting"),
        ("move", "moved", "moving"),
        ("lose", "lost", "losing"),
        ("watch", "watched", "watching"),
    )
)

DEEDS = tuple(
    Verb(*each)
    for each in (
        ("go home", "went home", "going home"),
        ("stay in bed", "stayed in bed", "staying in bed"),
        ("leave the room", "left the room", "leaving the room"),
        ("call the police", "called the police", "calling the police"),
        ("sing", "sang", "singing"),
        ("work in the field", "worked in the field", "working in the field"),
        ("laugh", "laughed", "laughing"),
        ("run to the river", "ran to the river", "running to the river"),
        ("close the shop", "closed the shop", "closing the shop"),
        ("ask for help", "asked for help", "asking for help"),
        ("write to the president", "wrote to the president", "writing to the president"),
        ("wait", "waited", "waiting"),
        ("come back", "came back", "coming back"),
        ("make coffee", "made coffee", "making coffee"),
    )
)

TIMES = (
    *("yesterday", "last week", "in the spring", "on Monday morning", "after the war"),
    *("at the end of the year", "this morning", "a long time ago", "two days later", "in 1950"),
    *("before the meeting", "one day"),
)

PLACES = (
    *("in the garden", "near the harbour", "behind the church", "in the north of the country"),
    *("on the island", "at the station", "next to the river", "in front of the museum"),
    *("under the old bridge", "in a small town"),
)

QUALITIES = (
    *("old", "beautiful", "tired", "strong", "quiet", "dangerous", "small", "happy", "important"),
    *("rich", "famous", "sad", "careful", "young"),
)

LONG_QUALITIES = (
    *("beautiful", "dangerous", "important", "famous", "careful", "intelligent", "popular"),
    *("patient", "serious", "difficult"),
)

STATES = (
    *("old", "beautiful", "expensive", "small", "heavy", "famous", "broken", "dangerous"),
    *("useful", "dirty", "green", "cheap"),
)

OWN_THINGS = (
    *("house", "answer", "garden", "room", "voice", "plan", "work", "letter", "dog", "new office"),
)

DURATIONS = (
    *("two hours", "a week", "many years", "ten minutes", "half a day", "three months"),
    *("a long time", "five days"),
)


def words(all_words: Sequence[T], *, is_shown: bool) -> Sequence[T]:
    """Returns the words of solved examples, or those of the texts to rewrite."""
    return all_words[not is_shown :: 2]
