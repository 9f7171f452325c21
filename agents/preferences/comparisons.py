"""Ratings of a store as comparisons of two texts of one prompt.

Owns how ratings become comparisons: a pair is one; of single texts, each two that one rater rated
after the same prompt are one. Skipped items are none.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lm_envs.tasks.ratings import RatedText, Rating


@dataclass(frozen=True, slots=True)
class Comparisons:
    """C comparisons of M texts.

    Attributes:
        texts: M texts.
        first: (C,) int64 indices of texts.
        second: (C,) int64 indices of texts.
        outcomes: (C,) float64: 1 if the first is better, 0 if the second is, 0.5 for a tie.
        prompts: (C,) int64, equal for comparisons of the same prompt.
    """

    texts: Sequence[RatedText]
    first: np.ndarray
    second: np.ndarray
    outcomes: np.ndarray
    prompts: np.ndarray

    @property
    def is_decided(self) -> np.ndarray:
        """(C,) bool: not a tie."""
        return self.outcomes != 0.5


def comparisons(texts: Mapping[int, RatedText], ratings: Sequence[Rating]) -> Comparisons:
    """Returns the comparisons of ratings; texts without one are left out."""
    found = [*_pairs(ratings), *_pairs_of_single_texts(texts, ratings)]
    used = sorted({number for first, second, _ in found for number in (first, second)})
    places = {number: place for place, number in enumerate(used)}
    prompts = {texts[number].prompt: place for place, number in enumerate(used)}
    return Comparisons(
        [texts[number] for number in used],
        np.array([places[first] for first, _, _ in found], np.int64),
        np.array([places[second] for _, second, _ in found], np.int64),
        np.array([outcome for _, _, outcome in found], np.float64),
        np.array([prompts[texts[first].prompt] for first, _, _ in found], np.int64),
    )


Outcome = tuple[int, int, float]


def _pairs(ratings: Sequence[Rating]) -> Iterator[Outcome]:
    for rating in ratings:
        if rating.second is not None and rating.value is not None:
            yield rating.first, rating.second, rating.value


def _pairs_of_single_texts(
    texts: Mapping[int, RatedText], ratings: Sequence[Rating]
) -> Iterator[Outcome]:
    by_rater: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for rating in ratings:
        if rating.second is None and rating.value is not None:
            by_rater[rating.rater, texts[rating.first].prompt].append(rating)
    for own in by_rater.values():
        for one, other in combinations(own, 2):
            assert one.value is not None
            assert other.value is not None
            yield one.first, other.first, (1.0 + np.sign(one.value - other.value)) / 2.0
