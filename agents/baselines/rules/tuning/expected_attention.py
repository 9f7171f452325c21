"""A rule for KV caches of fixed size: evict the entry that is expected to get the least attention.

A network learns from texts of the training split how much attention each entry will get, by the
columns that the agent observes. Owns what it learns from. Knows no reward.

Source of the idea, there in closed form: Devoto et al. 2025, https://arxiv.org/abs/2510.00636.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.baselines.families import Family, grid
from agents.baselines.learned_examples import (
    LearnedExamples,
    by_learned_policy,
    once_for_examples,
)
from agents.baselines.rules.tuning.eviction import FOUND, entry_columns, weighted_entries
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import evenly_spaced_indices, run_episodes
from lm_envs.envs.observations.base import ColumnBox
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.cache_entries import NAMES
from lm_envs.envs.tuning.eviction import EvictionTuner

NAME = "least expected attention"

EVERY = 4
"""Every how many steps of a text are learned from."""

MOST_BYTES = 2 * 2**30
"""Most memory of the texts that are learned from; fewer of them are if they need more."""

DISCOUNTS = (0.8, 0.9, 0.95)
"""Factors by which attention counts less with each further token."""

LEAST_ATTENTION = 1e-6
"""Less than this counts as this in logarithms."""

WIDTHS, EPOCHS, BATCH = (128, 128), 8, 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """Entries of the caches of S steps, and how much attention the texts pay.

    Attributes:
        columns: (S, C, F) float32, as `entry_columns` returns them.
        positions: (S, C) int64 of the entries' tokens in their texts.
        texts: (S,) int64 examples.
        places: (S,) int64 position of the token that is read next.
        attention: (T, T) of each example, as `EvictionTuner.whole_attention` returns it.
    """

    columns: np.ndarray
    positions: np.ndarray
    texts: np.ndarray
    places: np.ndarray
    attention: dict[int, np.ndarray]

    def expected(self, discount: float) -> np.ndarray:
        """Returns the logarithm of the attention that each entry will get, (S, C) float32."""
        coming = {text: _coming(paid, discount) for text, paid in self.attention.items()}
        steps = zip(self.texts.tolist(), self.places.tolist(), self.positions, strict=True)
        found = np.stack([coming[text][place, positions] for text, place, positions in steps])
        return np.log(np.maximum(found, LEAST_ATTENTION)).astype(np.float32)


def least_expected_attention() -> Family:
    """Returns the family of these rules, by the discount of later attention."""
    seen = once_for_examples(see_entries)

    @once_for_examples
    def learned(examples: LearnedExamples, discount: float) -> Policy:
        found = seen(examples)
        return evict_least(fitted(found.columns, found.expected(discount)))

    run = by_learned_policy(lambda examples, discount, seed: learned(examples, discount))
    return Family(NAME, grid(*DISCOUNTS), run)


def see_entries(examples: LearnedExamples) -> Seen:
    """Reads texts with the rule "weighted entries" and records what the caches hold.

    Args:
        examples: The texts; evenly spaced ones of them, if all take more than `MOST_BYTES`.
    """
    env = examples.env
    assert isinstance(env, TuningVectorEnv)
    assert isinstance(env.tuner, EvictionTuner)
    tuner, rule, attention = env.tuner, weighted_entries(FOUND), dict[int, np.ndarray]()
    steps: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        texts = np.array([tuner.passages_of(row).index for row in range(env.num_envs)])
        new = [row for row, text in enumerate(texts.tolist()) if text not in attention]
        if new:
            attention.update(zip(texts[new].tolist(), tuner.whole_attention(new), strict=True))
        rows = np.flatnonzero((env.steps + np.arange(env.num_envs)) % EVERY == 0)
        columns = entry_columns(env, observations)[rows]
        steps.append((columns, texts[rows], env.steps[rows] + columns.shape[1]))
        return rule(env, observations)

    most = min(len(examples.indices), MOST_BYTES // _text_bytes(env) or 1)
    run_episodes(env, act, examples.indices[evenly_spaced_indices(len(examples.indices), most)])
    columns, texts, places = (np.concatenate(parts) for parts in zip(*steps, strict=True))
    positions = np.expm1(columns[:, :, NAMES.index("log_position")]).round().astype(np.int64)
    return Seen(columns, positions, texts, places, attention)


def _text_bytes(env: TuningVectorEnv) -> int:
    """Returns how much memory a text takes that is as long as an episode."""
    space = env.single_observation_space
    assert isinstance(space, ColumnBox)
    length = space.columns[NAMES[0]].stop + env.budget + 1
    return 4 * (length**2 + env.budget // EVERY * space.shape[0])


def fitted(columns: np.ndarray, values: np.ndarray) -> Any:  # noqa: ANN401 - of scikit-learn
    """Returns a network that expects `values` (S, C) from `columns` (S, C, F)."""
    from sklearn.exceptions import ConvergenceWarning  # of the extra "dev"
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    flat = columns.reshape(-1, columns.shape[2])
    network = MLPRegressor(
        hidden_layer_sizes=WIDTHS,
        batch_size=min(BATCH, len(flat)),  # type: ignore[arg-type]  # scikit-learn allows numbers too
        max_iter=EPOCHS,
        random_state=0,
    )
    model = make_pipeline(StandardScaler(), network)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return model.fit(flat, values.ravel())


def evict_least(model: Any) -> Policy:  # noqa: ANN401 - of scikit-learn
    """Returns the policy that evicts the entry of which a fitted model expects the least."""

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        columns = entry_columns(env, observations)
        found = model.predict(columns.reshape(-1, columns.shape[2]))
        return found.reshape(columns.shape[:2]).argmin(1)

    return act


def _coming(paid: np.ndarray, discount: float) -> np.ndarray:
    """Returns the discounted sum of attention from each token on, (T, T): by token and entry."""
    total, coming = np.zeros(paid.shape[1]), np.empty(paid.shape)
    for place in range(len(paid) - 1, -1, -1):
        total = paid[place] + discount * total
        coming[place] = total
    return coming
