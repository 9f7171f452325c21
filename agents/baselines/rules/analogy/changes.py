"""The change that solved examples show, applied to a text: which words move, go away or are added.

Owns how a change is read off an example, and which texts it can mean for another one. Knows no
rule of paraphrase, and nothing of models or rewards.

Source: least general generalizations of examples, Plotkin 1970, and program synthesis by example,
Gulwani 2011, https://doi.org/10.1145/1926385.1926423.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product, takewhile
from typing import NamedTuple

Words = tuple[str, ...]

MOST_DIVISIONS, MOST_ALIKE = 2_000, 50
"""Ways to divide a text that are tried, and those that are kept: the most alike."""

LEAST_STEM = 3
"""Letters that two forms of a word have in common at the beginning, at least."""

MOST_SPELLINGS = 8
"""Ways to choose among the words that examples add at the same place."""

Ending = tuple[str, str]
"""Last letters of a word, and those that it has in the target."""

_WORDS = re.compile(r"'s\b|\w+|[^\w\s]")
_CLOSING = re.compile(r"\s+([.,?!:;]|'s\b|'(?=\s))")
_QUOTED = re.compile(r'"\s*([^"]*?)\s*"')


class Pair(NamedTuple):
    """A text and its paraphrase."""

    text: str
    target: str


@dataclass(frozen=True, slots=True)
class Change:
    """What moved in an example. Pieces are numbered in the order of the text.

    Attributes:
        pieces: The words of each piece of the text.
        order: Numbers of the pieces in the order of the target; those that it lacks are not in it.
        added: The words of the target before the first piece, between pieces, and after the last.
        endings: How a piece of one word ends in text and target, by its number, where it differs.
    """

    pieces: tuple[Words, ...]
    order: tuple[int, ...]
    added: tuple[Words, ...]
    endings: dict[int, Ending]


class Reading(NamedTuple):
    """A text that the change can mean.

    Attributes:
        text: The paraphrase.
        likeness: How alike its pieces are to those of the examples: 0 for none, larger for more.
    """

    text: str
    likeness: float


def split_words(text: str) -> Words:
    """Returns the words and signs of a text; the ending 's is a word."""
    return tuple(_WORDS.findall(text))


def join_words(words: Sequence[str]) -> str:
    """Returns the text of some words and signs."""
    text = _CLOSING.sub(r"\1", " ".join(words) + " ").strip()
    return _QUOTED.sub(r'"\1"', text)


@lru_cache(2**10)
def change_of(pair: Pair) -> Change:
    """Returns how the target of an example is made from the pieces of its text."""
    before, after = split_words(pair.text), split_words(pair.target)
    blocks = sorted(_blocks(_lower(before), _lower(after)))  # by their places in the text
    pieces: list[Words] = []
    numbers: dict[int, int] = {}  # of the pieces, by their place in the target
    end = 0
    for start, place, size in blocks:
        if start > end:
            pieces.append(before[end:start])
        numbers[place] = len(pieces)
        pieces.append(before[start : start + size])
        end = start + size
    if end < len(before):
        pieces.append(before[end:])
    added, end = list[Words](), 0
    for _, place, size in sorted(blocks, key=lambda block: block[1]):
        added.append(after[end:place])
        end = place + size
    order = tuple(numbers[place] for place in sorted(numbers))
    forms = [(numbers[place], before[start], after[place]) for start, place, _ in blocks]
    endings = {n: _ending(old, new) for n, old, new in forms if old.lower() != new.lower()}
    return Change(tuple(pieces), order, (*added, after[end:]), endings)


def readings(text: str, shown: Sequence[Pair]) -> list[Reading]:
    """Returns what the change of the examples can mean for a text, the most alike first.

    The change is the one that most of the examples have; pieces that the target lacks must have the
    words that an example has there, if the text can be divided so.

    Args:
        text: Text to rewrite.
        shown: Solved examples, at least one.
    """
    changes = [change_of(pair) for pair in shown]
    common, _ = Counter((len(c.pieces), c.order) for c in changes).most_common(1)[0]
    alike = [change for change in changes if (len(change.pieces), change.order) == common]
    words = split_words(text)
    divided = [*_divisions(words, alike, is_strict=True)]
    divided = divided or [*_divisions(words, alike, is_strict=False)]
    kept = sorted(((_likeness(pieces, alike), pieces) for pieces in divided), reverse=True)
    found: dict[str, float] = {}
    for likeness, pieces in kept[:MOST_ALIKE]:
        inflected = _inflected(pieces, alike)
        for literals in _spellings(alike):
            made = _made(inflected, alike[0].order, literals)
            found[made] = max(likeness, found.get(made, likeness))
    best = sorted(found.items(), key=lambda item: -item[1])
    return [Reading(*item) for item in best]


def _blocks(before: Words, after: Words) -> list[tuple[int, int, int]]:
    """Returns the longest runs of words that both have, none of which overlap: places and sizes.

    What is left over are single words in another form.
    """
    free_before, free_after = [True] * len(before), [True] * len(after)
    places = [*product(range(len(before)), range(len(after)))]
    found: list[tuple[int, int, int]] = []

    def take(size: int, i: int, j: int) -> None:
        found.append((i, j, size))
        free_before[i : i + size] = [False] * size
        free_after[j : j + size] = [False] * size

    while True:
        runs = ((_common(before, after, i, j, free_before, free_after), -i, -j) for i, j in places)
        size, i, j = max(runs, default=(0, 0, 0))
        if not size:
            break
        take(size, -i, -j)
    for i, j in places:
        if free_before[i] and free_after[j] and _is_form(before[i], after[j]):
            take(1, i, j)
    return found


def _is_form(old: str, new: str) -> bool:
    """Returns whether two words begin alike, so that they can be forms of one word."""
    size = _num_same(old, new)
    return size >= LEAST_STEM and 2 * size >= max(len(old), len(new)) - 1


def _num_same(old: str, new: str) -> int:
    """Returns the number of letters with which both words begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _ending(old: str, new: str) -> Ending:
    size = _num_same(old.lower(), new.lower())
    return old[size:], new[size:]


def _common(
    before: Words, after: Words, i: int, j: int, free_before: list[bool], free_after: list[bool]
) -> int:
    """Returns the number of words from two places on that are the same and free."""
    size = 0
    while (
        i + size < len(before)
        and j + size < len(after)
        and free_before[i + size]
        and free_after[j + size]
        and before[i + size] == after[j + size]
    ):
        size += 1
    return size


def _divisions(
    words: Words, changes: Sequence[Change], *, is_strict: bool
) -> Iterator[tuple[Words, ...]]:
    """Yields the ways to divide words into pieces as in the examples."""
    count, moved = len(changes[0].pieces), set(changes[0].order)
    known = [{_lower(change.pieces[number]) for change in changes} for number in range(count)]
    left = MOST_DIVISIONS

    def divide(start: int, number: int) -> Iterator[tuple[Words, ...]]:
        nonlocal left
        if number == count:
            if start == len(words):
                left -= 1
                yield ()
            return
        for end in range(start + 1, len(words) - (count - number) + 2):
            piece = words[start:end]
            is_fixed = number not in moved and is_strict
            if left > 0 and not (is_fixed and _lower(piece) not in known[number]):
                for rest in divide(end, number + 1):
                    yield (piece, *rest)

    yield from divide(0, 0)


def _likeness(pieces: Sequence[Words], changes: Sequence[Change]) -> float:
    """Returns how often pieces begin and end with words of the examples' pieces, less lengths."""
    total = 0.0
    for number, piece in enumerate(pieces):
        others = [change.pieces[number] for change in changes]
        begins = sum(piece[0].lower() == other[0].lower() for other in others)
        ends = sum(piece[-1].lower() == other[-1].lower() for other in others)
        sizes = sum(abs(len(piece) - len(other)) for other in others)
        total += (begins + ends - 0.2 * sizes) / len(others)
    return total


def _inflected(pieces: Sequence[Words], changes: Sequence[Change]) -> list[Words]:
    """Returns pieces with the endings that those of the examples have in their targets."""
    found = list(pieces)
    for number, (*rest, word) in enumerate(pieces):
        endings = {c.endings[number] for c in changes if number in c.endings}
        for old, new in sorted(endings, key=lambda ending: (-len(ending[0]), ending)):
            if word.endswith(old):
                stem = word.removesuffix(old)
                is_silent = new[:1] in ("e", "i") and stem.endswith("e")
                found[number] = (*rest, (stem[:-1] if is_silent else stem) + new)
                break
    return found


def _spellings(changes: Sequence[Change]) -> list[tuple[Words, ...]]:
    """Returns the choices of added words: at each place those of one of the examples."""
    places = [
        list(dict.fromkeys(change.added[place] for change in changes))
        for place in range(len(changes[0].added))
    ]
    return [tuple(each) for each in product(*places)][:MOST_SPELLINGS]


def _made(pieces: Sequence[Words], order: Sequence[int], added: Sequence[Words]) -> str:
    """Returns the text of pieces in an order, with added words around them."""
    words = list(added[0])
    for number, literal in zip(order, added[1:], strict=True):
        words += [*pieces[number], *literal]
    return join_words(words)


def _lower(words: Words) -> Words:
    return tuple(word.lower() for word in words)
