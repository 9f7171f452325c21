"""The most similar of many texts, by the groups of three letters that they share.

Knows nothing of tasks, models or what the texts are for.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

LENGTH = 3
"""Letters in a group: of UI messages the most similar ones then share stems as well as words."""


class SimilarTexts:
    """Finds similar texts by the cosine of TF-IDF vectors of letter trigrams.

    Source: vector space model, Salton et al. 1975, https://doi.org/10.1145/361219.361220.

    Args:
        texts: The texts that are searched.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._num_texts = len(texts)
        places: defaultdict[str, list[int]] = defaultdict(list)
        counts: defaultdict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(texts):
            for trigram, count in _trigrams(text).items():
                places[trigram].append(place)
                counts[trigram].append(count)
        self._places: dict[str, np.ndarray] = {}
        self._weights: dict[str, np.ndarray] = {}
        squares = np.zeros(len(texts))
        for trigram, found in places.items():
            self._places[trigram] = np.array(found)
            self._weights[trigram] = self._rarity(trigram) * (1 + np.log(counts[trigram]))
            squares[self._places[trigram]] += self._weights[trigram] ** 2
        self._norms = np.sqrt(np.maximum(squares, 1e-12))

    def nearest(self, text: str, count: int) -> list[int]:
        """Returns the places of the `count` most similar texts, the most similar one first.

        Of equally similar texts the first comes first. The text itself is found too, if it is one
        of the texts.
        """
        products = np.zeros(self._num_texts)
        for trigram, occurrences in _trigrams(text).items():
            if trigram in self._places:
                weight = self._rarity(trigram) * (1 + np.log(occurrences))
                products[self._places[trigram]] += weight * self._weights[trigram]
        return np.argsort(-products / self._norms, kind="stable")[:count].tolist()

    def _rarity(self, trigram: str) -> float:
        """Returns the inverse document frequency of a trigram, 0 or more."""
        return float(np.log((1 + self._num_texts) / (1 + len(self._places[trigram]))))


def _trigrams(text: str) -> Counter[str]:
    """Counts the trigrams of a text in lower case; a blank stands before and after it."""
    padded = f" {text.lower()} "
    return Counter(padded[i : i + LENGTH] for i in range(len(padded) - LENGTH + 1))
