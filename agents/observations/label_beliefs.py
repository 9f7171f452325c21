"""What classifiers believe about the label of a text that is being read, as columns.

Owns the columns, and which texts the classifiers learn from. Knows no policy and no reward.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from agents.baselines.rules.reading.label_beliefs import (
    FOLDS,
    LabeledText,
    PrefixClassifier,
    cross_fitted,
    learned_classifier,
)
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.factory import View
from lm_envs.envs.observations.features import Bounds
from lm_envs.lru import LRUCache
from lm_envs.model.engine import Outputs
from lm_envs.tasks.classification import Classification

PATH = "agents.observations.label_beliefs:LabelBeliefs"
BELIEFS, LOG_ODDS, BEST = "label_beliefs", "label_log_odds", "best_beliefs"

MOST_LOG_ODDS, LOG_ODDS_SCALE = 6.0, 3.0
"""Log-odds are clipped to [-6, 6] nats and divided by 3, so that they have the size of the rest."""

NUM_BEST = 3
CACHE_BYTES, ENTRY_BYTES = 32 * 2**20, 400
"""Memory of the stored columns, and of an entry beside its array: the same texts are read often."""


class LabelBeliefs:
    """Probabilities of the labels of the words that were read.

    `label_beliefs` (L): probability of each label, in alphabetical order; `label_log_odds` (L):
    their log-odds over 3, in [-2, 2]; `best_beliefs` (3): the three highest ones.

    The classifiers learn from whole splits: a text that they learned from is shown to the one of
    five that did not learn from it, so that an agent which learns from it does not see beliefs that
    are surer than those about new texts. They need scikit-learn.

    Args:
        view: What the observation is made from.
        splits: Splits that the classifiers learn from, such as "train" and that of the agent; never
            the ones that it is evaluated on.

    Raises:
        ValueError: If the task is no classification in the mode "sequential".
    """

    def __init__(self, view: View, *, splits: Sequence[str] = ("train",)) -> None:
        task = view.setup.task
        if not (isinstance(task, Classification) and task.is_sequential):
            raise ValueError(
                f"Got LabelBeliefs for {type(task).__name__}; allowed: Classification with "
                'mode="sequential".'
            )
        self._task = task
        self._folds, self._classifiers = _classifiers(task, tuple(splits))
        self._columns = LRUCache[tuple[str, ...], np.ndarray](CACHE_BYTES, _num_bytes)
        size, most = len(task.labels), MOST_LOG_ODDS / LOG_ODDS_SCALE
        self.columns: Mapping[str, Bounds] = {
            BELIEFS: (np.zeros(size), np.ones(size)),
            LOG_ODDS: (np.full(size, -most), np.full(size, most)),
            BEST: (np.zeros(NUM_BEST), np.ones(NUM_BEST)),
        }

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 2 L + 3)."""
        texts = [self._task.shown_texts(example) for example in episodes.examples]
        # All beginnings of a text at once: most of the time of a prediction is the call itself.
        found = self._columns.get_or_compute(
            texts, lambda places: [self._encode_text(texts[place]) for place in places]
        )
        counts = [len(turns) for turns in episodes.turns]
        pairs = zip(found, counts, strict=True)
        return np.stack([columns[min(count, len(columns) - 1)] for columns, count in pairs])

    def _encode_text(self, shown: tuple[str, ...]) -> np.ndarray:
        """Returns the columns (T, 2 L + 3) after 0 to T - 1 readings of a text."""
        shares = self._classifiers[self._folds.get(shown[-1], FOLDS)].probabilities(shown)
        odds = np.log(shares.clip(1e-9)) - np.log((1.0 - shares).clip(1e-9))
        odds = odds.clip(-MOST_LOG_ODDS, MOST_LOG_ODDS) / LOG_ODDS_SCALE
        best = np.zeros((len(shown), NUM_BEST))
        found = -np.sort(-shares, axis=1)[:, :NUM_BEST]
        best[:, : found.shape[1]] = found
        return np.concatenate([shares, odds, best], axis=1).astype(np.float32)


def _classifiers(
    task: Classification, splits: tuple[str, ...]
) -> tuple[dict[str, int], list[PrefixClassifier]]:
    """Returns the fold of each text, and the classifiers of the folds and of all texts."""
    found = {
        shown[-1]: (label, shown) for split in splits for label, shown in task.labeled_texts(split)
    }
    folds = {text: place % FOLDS for place, text in enumerate(found)}
    return folds, _learned(tuple(found.values()), task.labels)


@lru_cache(maxsize=1)  # environments of one process share them
def _learned(texts: tuple[LabeledText, ...], labels: tuple[str, ...]) -> list[PrefixClassifier]:
    return [*cross_fitted(texts, labels), learned_classifier(texts, labels)]


def _num_bytes(shown: tuple[str, ...], value: np.ndarray) -> int:
    return ENTRY_BYTES + sum(map(len, shown)) + value.nbytes
