"""A rule for continuous settings: predict what they earn, go where most is expected, and measure.

In the agent's examples settings are tried at random. From them it is learned how the fall of the
loss depends on the settings, and how much that differs between episodes. In an episode each
measured loss corrects the prediction. It reads the losses that the agent sees too, so that it is a
policy.

Source: Bayesian optimization with a prior learned from other tasks, Wang et al. 2018,
https://arxiv.org/abs/1811.09558; here with a polynomial in place of a kernel.
"""

from collections.abc import Callable

import gymnasium as gym
import numpy as np

from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.surrogate.regression import Coefficients, Measured, Prior
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import PlacedPolicy, run_placed_episodes
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.weight_tuning import STEP

NAME = "surrogate of the settings"

TRIED = 24
"""Random episodes of each example that are learned from."""

SPREADS, WARMER = (0.2, 0.8), 1.5
"""Standard deviations of tried settings, between which each episode draws one; and the most by
which the first setting, the temperature, is higher: a lower one raises most losses."""

NUM_DRAWN, NUM_KEPT, NUM_MOVED, ROUNDS, SHRINKING = 300, 15, 150, 6, 0.6
"""Settings that are drawn, kept and moved in a search of the surrogate, its rounds, and by which
factor moves get smaller."""


def polynomial(settings: np.ndarray) -> np.ndarray:
    """Returns the settings (M, K), their products and their cubes, (M, 2 K + K (K + 1) / 2)."""
    first, second = np.triu_indices(settings.shape[1])
    return np.concatenate([settings, settings[:, first] * settings[:, second], settings**3], 1)


def tried_settings(examples: LearnedExamples, seed: int = 0, tried: int = TRIED) -> list[Measured]:
    """Returns what random settings earn in each example, on the way to some that are drawn.

    Args:
        examples: Of an environment with continuous settings.
        seed: Of the settings.
        tried: Episodes of each example.
    """
    rng, space = np.random.default_rng(seed), examples.env.single_action_space
    assert isinstance(space, gym.spaces.Box)
    known: dict[int, _Known] = {}

    def visiting(targets: np.ndarray) -> PlacedPolicy:
        def act(
            env: EpisodicVectorEnv, observations: Observations, places: np.ndarray
        ) -> np.ndarray:
            assert isinstance(env, TuningVectorEnv)
            shown = _Shown(env, observations)
            for row in np.flatnonzero(places >= 0).tolist():
                if places[row] not in known:
                    known[places[row]] = _Known(shown, row)
                elif env.steps[row]:
                    known[places[row]].add(shown, row)
            return _towards(shown, targets[places], np.maximum(env.budget - 1 - env.steps, 1))

        return act

    for _ in range(tried):
        targets = _targets(len(examples.indices), space.shape[0], rng)
        run_placed_episodes(examples.env, visiting(targets), examples.indices)
    return [known[place].measured() for place in range(len(examples.indices))]


def surrogate_search(prior: Prior, exploration: float, seed: int = 0) -> Policy:
    """Returns the policy that goes where most is expected among what it can still reach.

    Args:
        prior: Of the coefficients of `polynomial`.
        exploration: Standard deviations that are added to an expectation, but not in the last step.
        seed: Of the settings that are drawn in a search of the surrogate.
    """
    rng, known = np.random.default_rng(seed), dict[int, _Known]()

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        shown, left = _Shown(env, observations), env.budget - env.steps
        aims = shown.settings.copy()
        for row, steps in enumerate(env.steps.tolist()):
            if steps == 0:
                known[row] = _Known(shown, row)
            else:
                known[row].add(shown, row)
            if left[row] < 1:
                continue
            coefficients = prior.given(known[row].measured())
            expected = _expectation(coefficients, exploration if left[row] > 1 else 0.0)
            aims[row] = _best(expected, shown.settings[row], left[row], rng)
        return _towards(shown, aims, np.ones(len(aims)))

    return act


class _Shown:
    """What the rows show: settings (N, K), first losses (N,) and falls of the loss (N,)."""

    def __init__(self, env: TuningVectorEnv, observations: Observations) -> None:
        assert isinstance(observations, np.ndarray)
        columns = env.single_observation_space.columns  # type: ignore[attr-defined]  # a ColumnBox
        self.settings = observations[:, columns["settings"]].astype(np.float64)
        self.first_losses = observations[:, columns["first_loss"]][:, 0].astype(np.float64)
        self.falls = observations[:, columns["loss_fall"]][:, 0].astype(np.float64)


class _Known:
    """What is known of an episode: its first loss, and the falls of the loss at other settings.

    Args:
        shown: Shows the unchanged model.
        row: Of the episode.
    """

    def __init__(self, shown: _Shown, row: int) -> None:
        self._first_loss = float(shown.first_losses[row])
        self._size = shown.settings.shape[1]
        self._settings: list[np.ndarray] = []
        self._falls: list[float] = []

    def add(self, shown: _Shown, row: int) -> None:
        """Adds the present settings."""
        self._settings.append(shown.settings[row])
        self._falls.append(float(shown.falls[row]))

    def measured(self) -> Measured:
        """Returns all of it."""
        settings = np.array(self._settings).reshape(-1, self._size)
        covariates = np.array([1.0, self._first_loss, self._first_loss**2])
        return Measured(polynomial(settings), np.array(self._falls), covariates)


def _targets(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    targets = rng.normal(size=(count, size)) * rng.uniform(*SPREADS, (count, 1))
    targets[:, 0] += rng.uniform(0.0, WARMER, count)
    return targets.clip(-1.0, 1.0)


def _towards(shown: _Shown, aims: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Returns the actions (N, K) of the first of so many steps (N,) to some settings (N, K)."""
    changes = (aims - shown.settings) / (STEP * steps[:, None])
    return changes.clip(-1.0, 1.0).astype(np.float32)


def _expectation(
    coefficients: Coefficients, exploration: float
) -> Callable[[np.ndarray], np.ndarray]:
    def expected(settings: np.ndarray) -> np.ndarray:
        means, deviations = coefficients.predict(polynomial(settings))
        return means + exploration * deviations

    return expected


def _best(
    expected: Callable[[np.ndarray], np.ndarray],
    now: np.ndarray,
    steps: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns the settings (K,) of the highest expectation that so many steps can reach."""
    low, high = (now - STEP * steps).clip(-1.0), (now + STEP * steps).clip(None, 1.0)
    drawn = np.concatenate([rng.uniform(low, high, (NUM_DRAWN, len(now))), now[None]])
    for done in range(ROUNDS):
        kept = drawn[np.argsort(-expected(drawn))[:NUM_KEPT]]
        moves = rng.normal(size=(NUM_MOVED, len(now))) * STEP * SHRINKING**done
        moved = kept[rng.integers(len(kept), size=NUM_MOVED)] + moves
        drawn = np.concatenate([kept, moved.clip(low, high)])
    return drawn[expected(drawn).argmax()]
