"""Linear regression whose coefficients differ from group to group, with a learned prior.

A group is an episode: what was measured in it, together with what groups have in common, tells what
was not measured. Knows no environment.

Source: linear mixed models by expectation maximization, Laird and Ware 1982,
https://doi.org/10.2307/2529876.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROUNDS = 25
"""Of expectation maximization; later ones change predictions little."""

FIRST_VARIANCE, FIRST_NOISE = 0.5, 0.1
LEAST_VARIANCE = 1.0e-5
"""Added to the variance of each coefficient, so that its inverse exists."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured in one group.

    Attributes:
        features: (M, D) of M measurements.
        values: (M,).
        covariates: (C,) of the group, known before anything is measured.
    """

    features: np.ndarray
    values: np.ndarray
    covariates: np.ndarray

    def over(self, lowest: float) -> "Measured":
        """Returns the measurements whose values are not lower."""
        kept = self.values >= lowest
        return Measured(self.features[kept], self.values[kept], self.covariates)


@dataclass(frozen=True, slots=True)
class Coefficients:
    """The coefficients of one group, as a normal distribution.

    Attributes:
        mean: (D,).
        covariance: (D, D).
    """

    mean: np.ndarray
    covariance: np.ndarray

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns means and standard deviations (M,) of the values of features (M, D)."""
        variances = np.einsum("md,de,me->m", features, self.covariance, features)
        return features @ self.mean, np.sqrt(variances.clip(0.0))


@dataclass(frozen=True, slots=True)
class Prior:
    """What all groups have in common.

    Attributes:
        weights: (C, D), of the covariates in the mean of each coefficient.
        covariance: (D, D) of the coefficients around their mean.
        noise: Variance of a measurement.
    """

    weights: np.ndarray
    covariance: np.ndarray
    noise: float

    def given(self, group: Measured) -> Coefficients:
        """Returns the coefficients of a group after its measurements, if there are any."""
        mean, features = group.covariates @ self.weights, group.features
        spread = features @ self.covariance  # (M, D)
        total = spread @ features.T + self.noise * np.eye(len(features))
        gains = np.linalg.solve(total, spread).T  # (D, M)
        missed = group.values - features @ mean
        return Coefficients(mean + gains @ missed, self.covariance - gains @ spread)


def learned_prior(groups: Sequence[Measured], shrinkage: float = 0.0) -> Prior:
    """Returns the prior of the highest likelihood that expectation maximization finds.

    Args:
        groups: G of them.
        shrinkage: Share by which covariances of different coefficients are made smaller, in [0, 1]:
            few groups tell little about them.
    """
    covariates = np.stack([group.covariates for group in groups])
    size = groups[0].features.shape[1]
    prior = Prior(np.zeros((covariates.shape[1], size)), FIRST_VARIANCE * np.eye(size), FIRST_NOISE)
    products = [group.features.T @ group.features for group in groups]
    sums = [group.features.T @ group.values for group in groups]
    count = sum(len(group.values) for group in groups)
    for _ in range(ROUNDS):
        inverse, means = np.linalg.inv(prior.covariance), covariates @ prior.weights
        spreads = [np.linalg.inv(inverse + each / prior.noise) for each in products]
        found = np.stack(
            [
                spread @ (inverse @ mean + total / prior.noise)
                for spread, mean, total in zip(spreads, means, sums, strict=True)
            ]
        )
        errors = [g.values - g.features @ each for g, each in zip(groups, found, strict=True)]
        unsure = sum(np.vdot(a, b) for a, b in zip(products, spreads, strict=True))
        weights = np.linalg.lstsq(covariates, found, rcond=None)[0]
        rest = found - covariates @ weights
        covariance = (rest.T @ rest + sum(spreads)) / len(groups)
        covariance += shrinkage * (np.diag(np.diag(covariance)) - covariance)
        covariance += LEAST_VARIANCE * np.eye(size)
        noise = (sum(each @ each for each in errors) + unsure) / count
        prior = Prior(weights, covariance, float(noise))
    return prior
