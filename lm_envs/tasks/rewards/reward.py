"""The reward: a weighted sum of named scores."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lm_envs.plugins import is_path
from lm_envs.tasks.rewards.completions import Completions
from lm_envs.tasks.rewards.custom import CustomScore
from lm_envs.tasks.rewards.model_scores import MODEL_SCORES
from lm_envs.tasks.rewards.preference import PreferenceScore, is_preference
from lm_envs.tasks.rewards.text_scores import TEXT_SCORES
from lm_envs.tasks.rewards.token_scores import FLUENCY, TOKEN_SCORES
from lm_envs.validation import check_number, did_you_mean

TOTAL = "reward"
"""Name of the weighted sum among the reported scores."""

RowScore = Callable[[Completions, np.ndarray], np.ndarray]
"""Scores (R,) float64 of the completions of some rows (R,)."""

Weights = Mapping[Any, float]
"""Weight of each score: a name, "module:function", or a function.

`Any`, because a mapping's keys are invariant: with `str | Callable` a dict[str, float] would not
type-check."""


class Reward:
    """Weights of scores; a negative weight makes a score a penalty.

    A score of weight 0 is logged, but does not change the reward. A name is one of `TOKEN_SCORES`,
    `TEXT_SCORES`, `MODEL_SCORES`, one of the task's own scores, or "module:function", which is
    imported; a function itself is known by its `__name__` (see `CustomScore`). "preference:FILE" is
    a file of `python -m agents.preferences` (see `PreferenceScore`).

    Args:
        weights: By score.
        task_scores: Names of the task's own scores.

    Attributes:
        weights: By name.
        weighted: Names of the scores with a weight other than 0.
        textual: Those of them that need what was written alone.
        modelled: Those of them that may use log-probabilities or the model.
        logged: Names of the scores with weight 0.
        models: Fingerprints of the models that scores were fitted to, by the name of the score.

    Raises:
        ValueError: If there is no weight, a score is unknown, two scores have one name, or a
            weight is not a finite number.
    """

    def __init__(self, weights: Weights, task_scores: Sequence[str] = ()) -> None:
        known = [*task_scores, *TOKEN_SCORES, *TEXT_SCORES, *MODEL_SCORES]
        if not weights:
            raise ValueError(f"Got no rewards; allowed: weights of {', '.join(known)}.")
        self.weights: dict[str, float] = {}
        self._scores: dict[str, RowScore] = {}
        for source, weight in weights.items():
            name, score = _score(source, task_scores, known)
            if name in self.weights or name == TOTAL:
                raise ValueError(
                    f"Got {'two scores' if name in self.weights else 'a score'} named {name!r}; "
                    "allowed: scores of different names, other than 'reward', which is their sum. "
                    "The name of a function is its __name__: define it with another one."
                )
            check_number(f"weight of score {name!r}", weight)
            self.weights[name], self._scores[name] = float(weight), score
        self.weighted = [name for name, weight in self.weights.items() if weight]
        # A caller's function may have the name of one of these, and use anything.
        own = {name for name in weights if name in {*task_scores, *TOKEN_SCORES, *TEXT_SCORES}}
        self.textual = [name for name in self.weighted if name in own - {FLUENCY}]
        self.modelled = [name for name in self.weighted if name not in self.textual]
        self.logged = [name for name, weight in self.weights.items() if not weight]
        fitted = {n: s for n, s in self._scores.items() if isinstance(s, PreferenceScore)}
        self.models = {name: score.model for name, score in fitted.items()}

    def check_dense(self, *, dense: bool) -> None:
        """Checks that no score of finished texts would be needed after every step.

        Raises:
            ValueError: If rewards are `dense` and such a score has a weight other than 0.
        """
        for name in self.weighted if dense else ():
            if getattr(self._scores[name], "finished_only", False):
                raise ValueError(
                    f"Got dense=True with the score {name!r}, which is given to finished texts; "
                    "allowed: dense=False, which pays the whole reward at the end of an episode."
                )

    def check_model(self, fingerprint: str) -> None:
        """Checks that scores were fitted to the model with this fingerprint.

        Raises:
            ValueError: If one was fitted to another model.
        """
        for name, fitted in self.models.items():
            if fitted != fingerprint:
                raise ValueError(
                    f"Got score {name!r}, fitted to a model with SHA-256 {fitted[:12]}…, for one "
                    f"with {fingerprint[:12]}…; allowed: the model whose texts were rated. Use "
                    "that model, or rate texts of this one by `python -m agents.rate`."
                )

    def update(
        self,
        scores: Mapping[str, np.ndarray],
        completions: Completions,
        rows: np.ndarray,
        names: Sequence[str],
    ) -> None:
        """Computes the scores of these names for `rows` (R,), and stores them unweighted.

        Args:
            scores: (N,) float64 by name; the entries of `rows` are replaced.
            completions: N completions.
            rows: (R,) int64 row numbers.
            names: Of the scores.
        """
        for name in names:
            scores[name][rows] = self._scores[name](completions, rows)

    def components(self, completions: Completions, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Returns all scores (R,) float64 of `rows` (R,), unweighted."""
        return {name: score(completions, rows) for name, score in self._scores.items()}

    def total(self, components: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the weighted sum (R,) float64 of components (R,)."""
        total = np.zeros(1)
        for name, weight in self.weights.items():
            total = total + weight * components[name]
        return total


def _score(
    source: str | Callable[..., Any], task_scores: Sequence[str], known: Sequence[str]
) -> tuple[str, RowScore]:
    """Returns the name and the function of a score.

    Raises:
        ValueError: If the score is unknown.
    """
    if is_preference(source):
        return source, PreferenceScore(source)
    if callable(source) or (is_path(source) and source not in known):
        custom = CustomScore(source)
        return custom.name, custom
    name = source
    if name in task_scores:
        return name, lambda completions, rows: completions.task_scores[name][rows]
    if name in TOKEN_SCORES:
        token_score = TOKEN_SCORES[name]
        return name, lambda completions, rows: token_score(completions)[rows]
    if name in MODEL_SCORES:
        return name, MODEL_SCORES[name]
    if name in TEXT_SCORES:
        text_score = TEXT_SCORES[name]
        return name, lambda completions, rows: np.array(
            [
                text_score(completions.texts[int(r)].strip(), completions.targets[int(r)])
                for r in rows
            ],
            np.float64,
        )
    hint = did_you_mean(name, known)
    raise ValueError(
        f"Got unknown score {name!r}; allowed: {', '.join(known)}, module:function, or "
        f"preference:FILE.{hint}"
    )
