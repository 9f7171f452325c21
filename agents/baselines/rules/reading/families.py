"""Baselines of a classification, as policies over `actions="choices"`.

Owns which texts the classifiers learn from and which settings are tried. A rule knows the price of
reading only where it is fitted to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from agents.baselines.families import Environments, Family, PolicyRun, Setting, grid
from agents.baselines.learned_examples import (
    LearnedExamples,
    by_learned_policy,
    learned_examples,
)
from agents.baselines.rules.lines import by_rule
from agents.baselines.rules.reading import stopping
from agents.baselines.rules.reading.label_beliefs import (
    FOLDS,
    LabeledText,
    PrefixClassifier,
    cross_fitted,
    learned_classifier,
    shown_text,
)
from agents.baselines.rules.reading.payoffs import (
    LabelPayoffs,
    earned,
    label_payoffs,
    price_of_reading,
)
from agents.baselines.rules.reading.stopping import LINEAR, TREES, ShouldStop
from agents.baselines.rules.texts import label_classifier
from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.classification import Classification
from lm_envs.tasks.simulators.reading import READ

REGRESSION = "logistic regression"
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)

MORE = (None, "train")
"""A further split that the classifiers learn from: the embedded model has read it too."""

LEASTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
FALLS = (0.0, 0.02, 0.05, 0.1)
NUM_READINGS = (0, 1, 2, 3, 4, 5, 7, 10)
EVERYTHING = "read everything, then classify"
FIXED, CONFIDENT, FITTED = (
    *("read some words, then classify", "read until confident"),
    "read until it pays no more",
)

Learned = tuple[LabeledText, ...]


def whole_text() -> Family:
    """Returns the baseline of texts that are shown at once; it needs scikit-learn."""
    return Family(REGRESSION, grid(*PENALTIES), by_learned_policy(_classified))


def families() -> list[Family]:
    """Returns the baselines of texts that are read; they need scikit-learn."""
    known = _Classifiers()
    all_read = [[more, 1_000] for more in MORE]
    fixed = [[more, count] for more, count in product(MORE, NUM_READINGS)]
    confident = [[more, *pair] for more, *pair in product(MORE, LEASTS, FALLS)]
    fitted = [[more, kind] for more, kind in product(MORE, (LINEAR, TREES))]
    return [
        Family(EVERYTHING, grid(*all_read), PolicyRun(known.rule(_after))),
        Family(FIXED, grid(*fixed), PolicyRun(known.rule(_after))),
        Family(CONFIDENT, grid(*confident), PolicyRun(known.rule(_when_confident))),
        Family(FITTED, grid(*fitted), PolicyRun(known.rule(_fitted))),
    ]


def stops_when(
    should_stop: ShouldStop, classifier: PrefixClassifier, payoffs: LabelPayoffs
) -> Policy:
    """Returns the policy that reads on until a rule stops it, then writes the best label."""
    believed = lru_cache(2**15)(lambda text: classifier.probabilities([text])[0])

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        task, episodes = env.task, env.episodes
        counts = np.array([len(turns) for turns in episodes.turns])
        shown = [shown_text(episodes, row) for row in range(env.num_envs)]
        shares = np.stack([believed(text) for text in shown])
        assert isinstance(task, Classification)
        lines = (*task.labels, READ)
        labels = np.array([lines.index(label) for label in classifier.labels])
        has_more = env.action_masks()[:, lines.index(READ)]
        stops = should_stop(shares, counts) | ~has_more
        return np.where(stops, labels[payoffs.best(shares)], lines.index(READ))

    return act


def _classified(examples: LearnedExamples, penalty: float, seed: int) -> Policy:
    pairs, task = examples.pairs(), examples.language_env.task
    assert isinstance(task, Classification)
    texts, labels = [prompt for prompt, _ in pairs], [targets[0] for _, targets in pairs]
    return by_rule(label_classifier(texts, labels, penalty, label_payoffs(task, examples.examples)))


@dataclass(frozen=True, slots=True)
class _Texts:
    """What a rule learns from.

    Attributes:
        own: The agent's own examples.
        labels: All labels.
        texts: The label and the beginnings of each of these examples.
        others: The same of further examples that the classifiers learn from.
        payoffs: What labels earn.
    """

    own: LearnedExamples
    labels: tuple[str, ...]
    texts: Learned
    others: Learned
    payoffs: LabelPayoffs


class _Classifiers:
    """Classifiers by the texts that they learned from, once for all settings of all rules."""

    def __init__(self) -> None:
        self.learned: Callable[[Learned, tuple[str, ...]], PrefixClassifier]
        self.learned = lru_cache(4)(learned_classifier)
        self.cross_fitted: Callable[[Learned, tuple[str, ...], Learned], list[PrefixClassifier]]
        self.cross_fitted = lru_cache(4)(cross_fitted)

    def rule(self, make: Callable[..., ShouldStop]) -> Callable[..., Policy]:
        """Returns the function that makes a policy; `make` gets the texts and the setting."""

        def policy(
            environments: Environments, split: str, judged: np.ndarray, setting: Setting, seed: int
        ) -> Policy:
            more, *rest = setting
            own = learned_examples(environments, split, judged)
            others: Learned = ()
            if more not in (None, environments.config.env.split):
                others = _labeled(learned_examples(environments, split, judged, learned=more))
            task = own.language_env.task
            assert isinstance(task, Classification)
            payoffs = label_payoffs(task, own.examples)
            texts = _Texts(own, task.labels, _labeled(own), others, payoffs)
            classifier = self.learned((*texts.texts, *others), task.labels)
            return stops_when(make(self, texts, *rest), classifier, payoffs)

        return policy


def _after(known: _Classifiers, texts: _Texts, count: int) -> ShouldStop:
    return stopping.after(count)


def _when_confident(known: _Classifiers, texts: _Texts, least: float, fall: float) -> ShouldStop:
    return stopping.when_confident(least, fall, texts.payoffs)


def _fitted(known: _Classifiers, texts: _Texts, kind: str) -> ShouldStop:
    """Fits the rule to the agent's own texts, by classifiers that did not learn from them."""
    classifiers = known.cross_fitted(texts.texts, texts.labels, texts.others)
    shares = [
        classifiers[place % FOLDS].probabilities(shown)
        for place, (_, shown) in enumerate(texts.texts)
    ]
    task = texts.own.language_env.task
    assert isinstance(task, Classification)
    read = [task.read_shares(example) for example in texts.own.examples]
    payoffs = earned(task, texts.own.examples, texts.payoffs)
    price = price_of_reading(task.reward.weights, texts.payoffs)
    found = stopping.stacked(shares, payoffs, read, price, texts.payoffs)
    return stopping.fitted_stopping(found, kind)


def _labeled(examples: LearnedExamples) -> Learned:
    task = examples.language_env.task
    assert isinstance(task, Classification)
    return tuple((each.targets[0], task.shown_texts(each)) for each in examples.examples)
