"""What is paid: a weighted sum of named scores."""

import math
from collections.abc import Mapping

import numpy as np

from lm_envs.checks import did_you_mean
from lm_envs.tasks.scores import SCORES, Drafts


class Reward:
    """Weights of scores, `{name: weight}`; a negative weight makes a score a penalty.

    Raises:
        ValueError: If there is no weight, a score is unknown, or a weight is no finite number.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        if not weights:
            raise ValueError(f"Got no rewards; allowed: weights of {', '.join(SCORES)}.")
        for name, weight in weights.items():
            _check(name, weight)
        self.weights = {name: float(weight) for name, weight in weights.items()}

    def components(self, drafts: Drafts) -> dict[str, np.ndarray]:
        """Each score, unweighted, (N,) float64."""
        return {name: SCORES[name].function(drafts) for name in self.weights}

    def total(self, components: Mapping[str, np.ndarray]) -> np.ndarray:
        """The weighted sum, (N,) float64."""
        terms = [weight * components[name] for name, weight in self.weights.items()]
        return np.sum(terms, axis=0)


def _check(name: str, weight: float) -> None:
    if name not in SCORES:
        hint = did_you_mean(name, SCORES)
        raise ValueError(f"Got unknown score {name!r}; allowed: {', '.join(SCORES)}.{hint}")
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not (is_number and math.isfinite(weight)):
        raise ValueError(f"Got weight {weight!r} for score {name!r}; allowed: a finite number.")
