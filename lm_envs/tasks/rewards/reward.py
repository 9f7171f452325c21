"""What is paid: a weighted sum of named scores."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lm_envs.tasks.rewards.custom import load_score
from lm_envs.tasks.rewards.text_scores import TEXT_SCORES, TextFunction
from lm_envs.tasks.rewards.token_scores import SCORES, Completions
from lm_envs.validation import check_number, did_you_mean

CROSS_ENTROPY = "cross_entropy"
"""Name of the score that needs the model: how well it can write the target from the draft."""

RowScore = Callable[[Completions, np.ndarray], np.ndarray]
"""Values (R,) float64 of a score for the rows (R,) of some completions."""


class Reward:
    """Weights of scores, `{name: weight}`; a negative weight makes a score a penalty.

    A weight of 0 reports a score without paying it. A name is one of `SCORES`, of `TEXT_SCORES`,
    "cross_entropy", one of the task's own task_scores, or `module:function`, which is imported and called
    with the text and the references; a callable itself is no name.

    Args:
        weights: By name.
        task_scores: Names of the task's own scores.

    Attributes:
        weights: As given.
        paid: Names of the scores with a weight other than 0.
        reported: Names of the others.

    Raises:
        ValueError: If there is no weight, a score is unknown, or a weight is no finite number.
    """

    def __init__(self, weights: Mapping[str, float], task_scores: Sequence[str] = ()) -> None:
        allowed = [*task_scores, *SCORES, *TEXT_SCORES, CROSS_ENTROPY]
        if not weights:
            raise ValueError(f"Got no rewards; allowed: weights of {', '.join(allowed)}.")
        for name, weight in weights.items():
            _check(name, weight, allowed)
        self.weights = {name: float(weight) for name, weight in weights.items()}
        self.weighted = [name for name, weight in weights.items() if weight]
        self.logged = [name for name, weight in weights.items() if not weight]
        self._scores = {name: _score(name, task_scores) for name in weights}

    def components(
        self, completions: Completions, rows: np.ndarray, names: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Scores of `rows` (R,), unweighted, (R,) float64; all, or those of these names."""
        names = list(self._scores) if names is None else names
        return {name: self._scores[name](completions, rows) for name in names}

    def total(self, components: Mapping[str, np.ndarray]) -> np.ndarray:
        """The weighted sum, (R,) float64."""
        terms = [weight * components[name] for name, weight in self.weights.items()]
        return np.sum(terms, axis=0)


def _score(name: str, task_scores: Sequence[str]) -> RowScore:
    if name in task_scores or name == CROSS_ENTROPY:
        return lambda completions, rows: completions.task_scores[name][rows]
    if name in SCORES:
        return lambda completions, rows: SCORES[name].function(completions)[rows]
    function = TEXT_SCORES[name] if name in TEXT_SCORES else load_score(name)
    return lambda completions, rows: _of_texts(function, completions, rows)


def _of_texts(function: TextFunction, completions: Completions, rows: np.ndarray) -> np.ndarray:
    values = [
        function(completions.texts[int(row)].strip(), completions.targets[int(row)]) for row in rows
    ]
    return np.array(values, dtype=np.float64)


def _check(name: str, weight: float, allowed: Sequence[str]) -> None:
    if name not in allowed and ":" not in name:
        hint = did_you_mean(name, allowed)
        raise ValueError(
            f"Got unknown score {name!r}; allowed: {', '.join(allowed)}, or module:function.{hint}"
        )
    check_number(f"weight of score {name!r}", weight)
