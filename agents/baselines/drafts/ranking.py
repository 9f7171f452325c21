"""A learned choice among drafts of the model and the text of a translation memory.

Learns from the rewards of drafts for the agent's own examples. Owns what the choice sees of a text.
"""

from collections.abc import Callable, Sequence

import numpy as np

from agents.baselines.drafts.drawing import NUM_SAMPLES
from agents.baselines.drafts.memory import Offer, Offers
from agents.baselines.families import Environments, Family, Setting, grid
from agents.baselines.learned_examples import (
    LearnedExamples,
    learned_examples,
    once_for_examples,
)
from lm_envs.transcript import Transcript

NAME = f"learned choice of {NUM_SAMPLES} drafts and a memory"

TREES = (30, 100, 300)
"""Numbers of regression trees that are tried."""

NUM_LEARNED = 512
"""Examples whose drafts are learned from: each takes as long as an evaluated prompt."""

Rank = Callable[[Sequence[Offer]], np.ndarray]
"""Returns the expected rewards (E, n) of n texts for E examples, less the mean of each example."""


def ranked_drafts(offers: Offers) -> Family:
    """Returns the family of the choice, whose setting is the number of trees.

    Boosted trees learn how much more than the mean of its example a text earns. They see what
    minimum Bayes risk sees, how similar the memory's example is, lengths and log-probabilities.

    Source: a reranker of drafts, Shen et al. 2004, https://aclanthology.org/N04-1023.
    """

    @once_for_examples
    def ranking(examples: LearnedExamples, environments: Environments, trees: int) -> Rank:
        own = environments.config.env.split
        return learn(offers.find(environments, own, examples.indices, 0), trees)

    def run(
        environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
    ) -> list[Transcript]:
        examples = learned_examples(environments, split, indices, most=NUM_LEARNED)
        rank = ranking(examples, environments, int(setting))
        found = offers.find(environments, split, indices, seed)
        places = rank(found).argmax(1)
        return [each.texts[place] for each, place in zip(found, places, strict=True)]

    return Family(NAME, grid(*TREES), run, is_drawn=True)


def learn(offers: Sequence[Offer], trees: int) -> Rank:
    """Returns the ranking that boosted trees learn from the rewards of texts.

    Args:
        offers: Of E examples, with n texts each.
        trees: Their number.

    Raises:
        ImportError: Without scikit-learn.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    rewards = np.array([[text.scores["reward"] for text in each.texts] for each in offers])
    gains = rewards - rewards.mean(1, keepdims=True)
    model = HistGradientBoostingRegressor(
        max_iter=trees,
        max_depth=3,
        learning_rate=0.05,
        min_samples_leaf=50,
        early_stopping=False,  # type: ignore[arg-type]  # its annotation lacks bool
    )
    model.fit(_columns(offers), gains.ravel())
    return lambda found: model.predict(_columns(found)).reshape(len(found), -1)


def _columns(offers: Sequence[Offer]) -> np.ndarray:
    """Returns what is seen of each text, relative to its example and of the example, (E n, 2 C)."""
    columns = np.stack([_columns_of(each) for each in offers])
    means = np.broadcast_to(columns.mean(1, keepdims=True), columns.shape)
    return np.concatenate([columns - means, means], axis=2).reshape(-1, 2 * columns.shape[2])


def _columns_of(offer: Offer) -> np.ndarray:
    """Returns what is seen of the n texts of an example, (n, C)."""
    count = len(offer.texts)
    likeness, drafts = offer.likeness, slice(count - 1)
    closest = np.sort(likeness[:, drafts], axis=1)
    is_memory = np.arange(count) == count - 1
    lengths = np.log1p([len(text.text) for text in offer.texts])
    logprobs = np.array([text.logprobs.sum() for text in offer.texts])
    words = [text.text.split() for text in offer.texts]
    to_median = lengths - np.median(lengths[drafts])
    typical, similarity = likeness[:, drafts].mean(1), offer.similarity
    columns = [
        *(typical, typical * similarity, closest[:, -2], closest[:, count // 2]),
        *(likeness[:, -1], likeness[:, -1] * similarity, likeness[drafts].mean(0)),
        *(is_memory, is_memory * similarity),
        *(logprobs, logprobs / [len(text.tokens) for text in offer.texts]),
        *(lengths - np.log1p(len(offer.prompt)), to_median, to_median**2),
        np.array([len(set(each)) / max(len(each), 1) for each in words]),
    ]
    return np.stack(columns, axis=1)
