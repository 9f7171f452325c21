"""Bradley-Terry models: logistic regression on differences of features, with an L2 penalty.

Pure functions of arrays; knows nothing of texts or ratings. Source: Bradley and Terry 1952,
https://doi.org/10.2307/2334029; a tie counts as half a win of each.
"""

from collections.abc import Sequence

import numpy as np

PENALTIES = tuple(10.0**power for power in np.arange(0.5, -4.5, -0.5))
"""L2 penalties of the mean loss, strongest first."""

STEPS = 25
TOLERANCE = 1e-6
"""Of the largest entry of the gradient of the mean loss."""

NUM_FOLDS = 5


def fit(
    differences: np.ndarray, outcomes: np.ndarray, penalty: float, start: np.ndarray | None = None
) -> np.ndarray:
    """Returns the weights (P,) of the smallest mean loss + penalty / 2 |weights|^2, by Newton.

    Args:
        differences: (C, P), features of the first less those of the second.
        outcomes: (C,) in [0, 1]: 1 where the first is better.
        penalty: Above 0, so that the smallest loss is unique.
        start: (P,) weights to start from; None for 0.
    """
    num, size = differences.shape
    weights = np.zeros(size) if start is None else start
    for _ in range(STEPS):
        wins = win_probabilities(differences, weights)
        gradient = differences.T @ (wins - outcomes) / num + penalty * weights
        if np.abs(gradient).max(initial=0.0) < TOLERANCE:
            break
        curvature = (differences.T * (wins * (1.0 - wins) / num)) @ differences
        curvature[np.diag_indices(size)] += penalty
        step = np.linalg.solve(curvature, gradient)
        # A full step can overshoot where almost all comparisons are decided with certainty.
        before = loss(differences, outcomes, weights, penalty)
        scale = 1.0
        while scale > 1e-3 and loss(differences, outcomes, weights - scale * step, penalty) > (
            before + 1e-12
        ):
            scale /= 2.0
        weights = weights - scale * step
    return weights


def win_probabilities(differences: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the probability (C,) that the first is better."""
    return 1.0 / (1.0 + np.exp(-(differences @ weights).clip(-30.0, 30.0)))


def loss(
    differences: np.ndarray, outcomes: np.ndarray, weights: np.ndarray, penalty: float = 0.0
) -> float:
    """Returns the mean negative log-likelihood, nats, with the penalty of the weights."""
    margins = differences @ weights
    losses = np.logaddexp(0.0, -margins) * outcomes + np.logaddexp(0.0, margins) * (1.0 - outcomes)
    return float(losses.mean() + penalty / 2.0 * weights @ weights)


def fold_numbers(groups: np.ndarray, num_folds: int = NUM_FOLDS, seed: int = 0) -> np.ndarray:
    """Returns a fold (C,) for each comparison; those of one group are in the same fold."""
    names, members = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return order[members] % min(num_folds, len(names))


def best_penalty(
    designs: Sequence[np.ndarray], outcomes: np.ndarray, groups: np.ndarray, seed: int = 0
) -> tuple[int, float]:
    """Returns which design and which penalty have the smallest loss in cross-validation.

    Args:
        designs: Alternative features (C, P); of equal ones the first is chosen.
        outcomes: (C,).
        groups: (C,), such as prompts; one group is never on both sides.
        seed: Of the folds.
    """
    folds = fold_numbers(groups, seed=seed)
    losses = np.zeros((len(designs), len(PENALTIES)))
    for place, design in enumerate(designs):
        for fold in np.unique(folds):
            is_held_out = folds == fold
            weights = None
            for column, penalty in enumerate(PENALTIES):  # each starts from a stronger one
                weights = fit(design[~is_held_out], outcomes[~is_held_out], penalty, weights)
                share = is_held_out.mean()
                held_out = (design[is_held_out], outcomes[is_held_out])
                losses[place, column] += share * loss(*held_out, weights)
    best = np.unravel_index(losses.argmin(), losses.shape)
    return int(best[0]), PENALTIES[int(best[1])]
