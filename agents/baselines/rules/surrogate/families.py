"""Baselines that learn a surrogate of what adjustments of a model earn.

Owns which settings of the rules are tried. Knows no environment's actions.
"""

from collections.abc import Callable, Sequence
from itertools import product

from agents.baselines.families import Family, Setting, grid
from agents.baselines.learned_examples import (
    LearnedExamples,
    by_learned_policy,
    once_for_examples,
)
from agents.baselines.rules.surrogate import parts, settings
from agents.baselines.rules.surrogate.regression import Measured, Prior, learned_prior
from agents.evaluation.baselines import Policy

LOWEST = (-1.0, -0.3)
"""Measurements of lower values, nats a token, are left out: a polynomial fits the rest better."""

SHRINKAGES = (0.0, 0.5)
EXPLORATIONS = (0.0, 0.3)
LEAST_GAINS = (0.0, 0.01)


def settings_search() -> Family:
    """Returns the search for continuous settings, by their exploration."""
    return _family(settings.NAME, settings.tried_settings, settings.surrogate_search, EXPLORATIONS)


def structure_search() -> Family:
    """Returns the search for parts to remove, by the least gain that is expected."""
    return _family(parts.NAME, parts.tried_sets, parts.surrogate_removal, LEAST_GAINS)


def _family(
    name: str,
    measure: Callable[[LearnedExamples], list[Measured]],
    search: Callable[[Prior, float, int], Policy],
    own: Sequence[float],
) -> Family:
    """Returns the family of searches; what is measured is measured once for all settings."""
    measured = once_for_examples(measure)

    @once_for_examples
    def prior(examples: LearnedExamples, lowest: float, shrinkage: float) -> Prior:
        return learned_prior([each.over(lowest) for each in measured(examples)], shrinkage)

    def learn(examples: LearnedExamples, setting: Setting, seed: int) -> Policy:
        lowest, shrinkage, last = setting
        return search(prior(examples, lowest, shrinkage), last, seed)

    return Family(
        name, grid(*map(list, product(LOWEST, SHRINKAGES, own))), by_learned_policy(learn)
    )
