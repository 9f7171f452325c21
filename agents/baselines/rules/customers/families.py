"""The rule that filters what varied customers hide, with the settings that are tried.

Owns the settings, and which sentences are learned from. Runs nothing.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import product
from typing import Any

from agents.baselines.families import Family, Setting, grid
from agents.baselines.learned_examples import (
    LearnedExamples,
    by_learned_policy,
    once_for_examples,
)
from agents.baselines.rules.customer_beliefs import Conversation
from agents.baselines.rules.customers.filter import (
    FilteredBeliefs,
    Posterior,
    first_posterior,
    updated,
)
from agents.baselines.rules.customers.readings import Reader, line_of
from agents.baselines.rules.customers.rule import FilterThresholds, filtered_line
from agents.baselines.rules.customers.sentences import SentenceClassifier, labeled_sentences
from agents.baselines.rules.dialogue import policy_of
from agents.evaluation.baselines import Policy
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.simulators.varied_customer import VariedCustomer

FILTERED = "filtered customer"

MOST_POSTERIORS = 2_000
"""Conversations whose posteriors are kept: at most 8 kB each."""

FOUND: Sequence[dict[str, Any]] = (
    {"talkative": 1.6, "polite": 0.2, "named": 0.5},
    {"talkative": 1.0, "polite": 0.0, "named": 0.9},
)
"""Thresholds of a search on 1,500 customers of the wordings of "validation", and some that were not
searched for."""

SHARED: dict[str, Any] = {"again": 0.2, "hurried": 1.0, "asks_again": True}
"""Without a second clarification the rule earned 0.004 less on 3,000 other customers of these
wordings."""

REQUESTS, MISTAKEN, TEMPERATURES = (0.7, 0.6), (0.08, 0.12), (0.6, 1.0)


def settings() -> list[dict[str, Any]]:
    """Returns the tried thresholds by names."""
    return [
        SHARED | found | {"request": request, "mistaken": mistaken, "temperature": temperature}
        for found, request, mistaken, temperature in product(
            FOUND, REQUESTS, MISTAKEN, TEMPERATURES
        )
    ]


def filtered_customer() -> Family:
    """Returns the rule that filters; it needs scikit-learn."""
    return Family(FILTERED, grid(*settings()), by_learned_policy(_learn()))


def filtered(
    classifier: SentenceClassifier,
) -> Callable[[Sequence[Conversation]], list[FilteredBeliefs]]:
    """Returns the function from N conversations to what the filter believes of each customer."""
    reader = Reader(classifier)

    @lru_cache(MOST_POSTERIORS)
    def posterior(talk: Conversation) -> Posterior:
        if not talk.turns:
            return first_posterior(reader.opening(talk.replies[0]))
        before = posterior(Conversation(talk.replies[:-1], talk.turns[:-1]))
        turn, reply = talk.turns[-1], talk.replies[-1]
        return updated(before, line_of(turn), reader.readings(turn, reply))

    return lambda talks: [posterior(talk).beliefs for talk in talks]


def _learn() -> Callable[[LearnedExamples, Setting, int], Policy]:
    """Returns the function that learns from examples, once for all thresholds."""

    @once_for_examples
    def believe(
        examples: LearnedExamples, temperature: float
    ) -> Callable[[Sequence[Conversation]], list[FilteredBeliefs]]:
        task = examples.language_env.task
        assert isinstance(task, Dialogue)
        customers = [task.customers[index] for index in examples.indices.tolist()]
        splits = {each.split for each in customers if isinstance(each, VariedCustomer)}
        return filtered(SentenceClassifier(labeled_sentences(sorted(splits)), temperature))

    def learn(examples: LearnedExamples, setting: Setting, seed: int) -> Policy:
        thresholds = FilterThresholds(**setting)
        choose = partial(filtered_line, thresholds)
        return policy_of(choose, believe(examples, thresholds.temperature))

    return learn
