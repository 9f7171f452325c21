"""Fits a preference to the comparisons of a store, and measures how far it agrees with people.

Owns the designs that are compared, the nested cross-validation and the report. Hidden states enter
by their largest principal components: hundreds of entries would need thousands of ratings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.config.loading import UserError
from agents.preferences import bradley_terry
from agents.preferences.agreement import Share, share
from agents.preferences.comparisons import Comparisons
from lm_envs.tasks.rewards.preference import FEATURES, Preference

NUM_COMPONENTS = 32
FEWEST = 10
"""Comparisons that a fit needs."""

CURVE = (0.25, 0.5, 1.0)
"""Shares of the comparisons that the learning curve is fitted to."""

DESIGNS = ("named features", "named features and hidden states")


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted preference.

    Attributes:
        preference: For the reward.
        agreement: Of held-out predictions with decided comparisons.
        curve: Held-out agreement by number of comparisons that were fitted to.
        design: One of `DESIGNS`.
        penalty: L2 penalty.
        importance: Weight of each named feature, in its standard deviations between two texts.
    """

    preference: Preference
    agreement: Share
    curve: dict[int, float]
    design: str
    penalty: float
    importance: dict[str, float]


def fit_preference(
    compared: Comparisons,
    states: np.ndarray,
    features: np.ndarray,
    model: str,
    facts: dict[str, Any],
) -> Fit:
    """Returns the fit to all comparisons; its agreement is that of fits that did not see them.

    Args:
        compared: C comparisons of M texts.
        states: (M, D) mean hidden states.
        features: (M, F) values of `FEATURES`.
        model: Fingerprint of the model.
        facts: For the header of the file.

    Raises:
        UserError: If there are too few comparisons, or all texts have equal features.
    """
    _check(compared)
    design = _Designs(compared, states, features)
    groups = _groups(compared)
    chosen, penalty = bradley_terry.best_penalty(design.designs, compared.outcomes, groups)
    weights = bradley_terry.fit(design.designs[chosen], compared.outcomes, penalty)
    own = design.unscaled(weights)
    agreement = _nested_agreement(design.designs, compared, groups)
    facts = {
        **facts,
        "agreement": agreement.as_dict(),
        "design": DESIGNS[chosen],
        "penalty": penalty,
        "comparisons": len(compared.outcomes),
    }
    mean = float((states @ own[0] + features @ own[1]).mean())
    curve = _learning_curve(design.designs[chosen], penalty, compared, groups)
    importance = dict(zip(FEATURES, weights[: len(FEATURES)].tolist(), strict=True))
    preference = Preference(*own, -mean, model, facts)
    return Fit(preference, agreement, curve, DESIGNS[chosen], penalty, importance)


class _Designs:
    """The two designs, scaled by the differences of the texts, and their scales."""

    def __init__(self, compared: Comparisons, states: np.ndarray, features: np.ndarray) -> None:
        named, hidden = (
            each[compared.first] - each[compared.second] for each in (features, states)
        )
        self._scales = _rms(named)
        self._axes, self._state_scale = _principal_axes(hidden)
        named = named / self._scales
        self.designs = [named, np.hstack([named, hidden @ self._axes / self._state_scale])]

    def unscaled(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns weights of hidden states (D,) and of named features (F,)."""
        size = len(self._scales)
        own = weights[size:] if len(weights) > size else np.zeros(self._axes.shape[1])
        return self._axes @ own / self._state_scale, weights[:size] / self._scales


def _check(compared: Comparisons) -> None:
    decided = int(compared.is_decided.sum())
    if decided < FEWEST:
        raise UserError(
            f"Got {decided} decided comparisons (neither ties nor skipped); allowed: {FEWEST} or "
            "more. Rate more pairs by `python -m agents.rate`."
        )


def _groups(compared: Comparisons) -> np.ndarray:
    """Returns the prompts, or where there are very few the pairs, that are held out together."""
    if len(np.unique(compared.prompts)) >= bradley_terry.NUM_FOLDS:
        return compared.prompts
    pairs = np.sort(np.stack([compared.first, compared.second], 1), 1)
    return np.unique(pairs, axis=0, return_inverse=True)[1].ravel()


def _rms(differences: np.ndarray) -> np.ndarray:
    """Returns the root mean square of each column (P,), 1 for a column of zeros."""
    scales = np.sqrt((differences**2).mean(0))
    return np.where(scales > 1e-9, scales, 1.0)


def _principal_axes(differences: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns axes (D, P) of the largest differences, and one scale for all of them.

    One scale, so that the penalty weighs small components down as in the whole space.
    """
    _, axes = np.linalg.eigh(differences.T @ differences)
    axes = axes[:, ::-1][:, :NUM_COMPONENTS]
    scale = float(np.sqrt(((differences @ axes) ** 2).mean()))
    return axes, scale if scale > 1e-9 else 1.0


def _nested_agreement(
    designs: Sequence[np.ndarray], compared: Comparisons, groups: np.ndarray
) -> Share:
    """Returns the agreement on held-out comparisons; design and penalty do not see them either."""
    folds, hits = bradley_terry.fold_numbers(groups, seed=1), np.zeros(len(groups))
    for fold in np.unique(folds):
        is_held_out = folds == fold
        seen = [design[~is_held_out] for design in designs]
        outcomes = compared.outcomes[~is_held_out]
        chosen, penalty = bradley_terry.best_penalty(seen, outcomes, groups[~is_held_out])
        weights = bradley_terry.fit(seen[chosen], outcomes, penalty)
        hits[is_held_out] = _hits(
            designs[chosen][is_held_out], compared.outcomes[is_held_out], weights
        )
    decided = compared.is_decided
    return share(hits[decided], groups[decided])


def _hits(design: np.ndarray, outcomes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns 1 where the prediction is right, 0.5 where it is undecided, else 0; (C,)."""
    return (1.0 + np.sign(design @ weights) * np.sign(outcomes - 0.5)) / 2.0


def _learning_curve(
    design: np.ndarray, penalty: float, compared: Comparisons, groups: np.ndarray
) -> dict[int, float]:
    """Returns held-out agreement by the number of comparisons that were fitted to."""
    folds, rng = bradley_terry.fold_numbers(groups, seed=2), np.random.default_rng(0)
    curve: dict[int, float] = {}
    for part in CURVE:
        hits, sizes = [], []
        for fold in np.unique(folds):
            train = rng.permutation(np.flatnonzero(folds != fold))
            train = train[: max(2, round(part * len(train)))]
            weights = bradley_terry.fit(design[train], compared.outcomes[train], penalty)
            judged = (folds == fold) & compared.is_decided
            hits.append(_hits(design[judged], compared.outcomes[judged], weights))
            sizes.append(len(train))
        curve[round(float(np.mean(sizes)))] = float(np.concatenate(hits).mean())
    return curve
