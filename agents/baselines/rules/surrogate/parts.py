"""A rule for structure search: predict what sets of parts are worth, and remove the best set.

In the agent's examples parts are removed at random. From them it is learned what each part and
each pair of parts is worth, and how much that differs between episodes. In an episode the probes
and each measured reward correct the prediction. It reads the rewards that the agent receives too,
so that it is a policy.

Source: pseudo-Boolean surrogates of second order, Baptista and Poloczek 2018,
https://arxiv.org/abs/1806.08838; here with a prior learned from other episodes.
"""

import numpy as np

from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.surrogate.regression import Measured, Prior
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import run_placed_episodes
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.structure_search import STOP, StructureTuner

NAME = "surrogate of the parts"

TRIED = 24
"""Random episodes of each example that are learned from."""

NOISE = 0.06
"""Standard deviation of what is added to the parts' own worth to draw which is removed next."""

SEARCHES = 6
"""Random sets that a search of the surrogate begins with, besides the present one."""

DENSITY = 0.3
"""Probability of each part in such a set."""

LEAST_CHANGE = 1.0e-9
"""Smallest gain of a change in a search of the surrogate, nats a token."""


def pairs_of(removed: np.ndarray) -> np.ndarray:
    """Returns which parts and which pairs of parts sets (M, P) hold, (M, P + P (P - 1) / 2)."""
    first, second = np.triu_indices(removed.shape[1], 1)
    held = removed.astype(np.float64)
    return np.concatenate([held, held[:, first] * held[:, second]], 1)


def tried_sets(examples: LearnedExamples, seed: int = 0, tried: int = TRIED) -> list[Measured]:
    """Returns what random sets of parts are worth in each example.

    Args:
        examples: Of structure search with probes.
        seed: Of the sets.
        tried: Episodes of each example.
    """
    rng = np.random.default_rng(seed)
    known: dict[int, _Known] = {}

    def act(env: EpisodicVectorEnv, observations: Observations, places: np.ndarray) -> np.ndarray:
        tuner = _tuner(env)
        for row in np.flatnonzero(places >= 0).tolist():
            if places[row] not in known:
                known[places[row]] = _Known(tuner, row)
            known[places[row]].add(tuner, row)
        gains = tuner.expected_gains()
        return 1 + (gains + rng.normal(scale=NOISE, size=gains.shape)).argmax(1)

    for _ in range(tried):
        run_placed_episodes(examples.env, act, examples.indices)
    return [known[place].measured() for place in range(len(examples.indices))]


def surrogate_removal(prior: Prior, least: float, seed: int = 0) -> Policy:
    """Returns the policy that removes the parts of the set of the highest expected worth.

    After each removal the set is chosen again. It stops where no set is expected to gain enough.

    Args:
        prior: Of the coefficients of `pairs_of`.
        least: Lowest gain that is expected of a set, nats a token.
        seed: Of the sets that a search begins with.
    """
    rng, known = np.random.default_rng(seed), dict[int, _Known]()

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        tuner, actions = _tuner(env), np.full(env.num_envs, STOP)
        for row, steps in enumerate(env.steps.tolist()):
            if steps == 0:
                known[row] = _Known(tuner, row)
            known[row].add(tuner, row)
            now = known[row].sets[-1]
            mean = prior.given(known[row].measured()).mean
            worth = Worth(mean, len(now))
            sets = [worth.climb(start, now) for start in _starts(now, rng)]
            best = max(sets, key=worth.of)
            if worth.of(best) - known[row].values[-1] > least and (best > now).any():
                actions[row] = 1 + np.where(best > now, worth.changes(now), -np.inf).argmax()
        return actions

    return act


class _Known:
    """What is known of an episode: the worth of each part alone, and of the sets removed so far.

    Args:
        tuner: Has just begun the episode.
        row: Of the episode.
    """

    def __init__(self, tuner: StructureTuner, row: int) -> None:
        gains = tuner.expected_gains()[row]
        self.sets = list(np.eye(len(gains), dtype=bool))
        self.values = gains.tolist()

    def add(self, tuner: StructureTuner, row: int) -> None:
        """Adds the set that is removed now."""
        self.sets.append(~tuner.masks()[row, 1:])
        self.values.append(float(tuner.scores()["reward"][row]))

    def measured(self) -> Measured:
        """Returns all of it."""
        return Measured(pairs_of(np.stack(self.sets)), np.array(self.values), np.ones(1))


class Worth:
    """The expected worth of sets of P parts.

    Args:
        coefficients: Of `pairs_of`.
        size: P.
    """

    def __init__(self, coefficients: np.ndarray, size: int) -> None:
        self._alone = coefficients[:size]
        pairs = np.zeros((size, size))
        pairs[np.triu_indices(size, 1)] = coefficients[size:]
        self._pairs = pairs + pairs.T

    def of(self, removed: np.ndarray) -> float:
        """Returns the worth of a set (P,)."""
        held = removed.astype(np.float64)
        return float(self._alone @ held + held @ self._pairs @ held / 2.0)

    def changes(self, removed: np.ndarray) -> np.ndarray:
        """Returns what is gained by adding each part to a set, or by taking it out, (P,)."""
        return np.where(removed, -1.0, 1.0) * (self._alone + self._pairs @ removed)

    def climb(self, start: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        """Returns a set that no change or exchange of parts improves.

        Args:
            start: (P,) the first set.
            fixed: (P,) parts that stay in it.
        """
        chosen = start | fixed
        while True:
            gains = np.where(fixed, -np.inf, self.changes(chosen))
            if gains.max() > LEAST_CHANGE:
                chosen = _flipped(chosen, int(gains.argmax()))
                continue
            exchanges = [
                (gains[out] + self._best_other(chosen, out)[1], out)
                for out in np.flatnonzero(chosen & ~fixed).tolist()
            ]
            gain, out = max(exchanges, default=(0.0, 0))
            if gain <= LEAST_CHANGE:
                return chosen
            chosen = _flipped(_flipped(chosen, out), self._best_other(chosen, out)[0])

    def _best_other(self, chosen: np.ndarray, out: int) -> tuple[int, float]:
        """Returns the best part in place of one of the set, and what it gains then."""
        gains = np.where(chosen, -np.inf, self.changes(_flipped(chosen, out)))
        return int(gains.argmax()), float(gains.max())


def _flipped(chosen: np.ndarray, part: int) -> np.ndarray:
    changed = chosen.copy()
    changed[part] = ~changed[part]
    return changed


def _starts(removed: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    return [removed, *(rng.random((SEARCHES, len(removed))) < DENSITY)]


def _tuner(env: EpisodicVectorEnv) -> StructureTuner:
    assert isinstance(env, TuningVectorEnv)
    assert isinstance(env.tuner, StructureTuner)
    return env.tuner
