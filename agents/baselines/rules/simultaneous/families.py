"""Baselines of a simultaneous translation, as policies that read and write.

Owns which settings are tried. Knows nothing of rewards.
"""

from itertools import product

import numpy as np

from agents.baselines.families import (
    Environments,
    Family,
    PolicyRun,
    Setting,
    by_policy,
    grid,
)
from agents.baselines.learned_examples import learned_examples
from agents.baselines.rules.simultaneous import confidence, stable_tokens
from agents.baselines.rules.simultaneous.confidence import confident
from agents.baselines.rules.simultaneous.stable_tokens import (
    States,
    learned_network,
    visited_states,
    write_stable,
)
from agents.evaluation.baselines import Policy

CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
LAGS = (2, 3, 4, 8)
WORDS_PER_TOKEN = (0.0, 0.5)

EPOCHS = (3, 6)
LEAST_STAYS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
STABLE_LAGS = (3, 8)


def families() -> list[Family]:
    """Returns the baselines that write while the model is confident, or while its token stays."""
    confident_settings = map(list, product(CONFIDENCES, LAGS, WORDS_PER_TOKEN))
    stable_settings = map(list, product(EPOCHS, LEAST_STAYS, STABLE_LAGS, WORDS_PER_TOKEN))
    by_confidence = by_policy(lambda setting, seed: confident(*setting))
    return [
        Family(confidence.NAME, grid(*confident_settings), by_confidence),
        Family(stable_tokens.NAME, grid(*stable_settings), _stable_run(), is_drawn=True),
    ]


def _stable_run() -> PolicyRun:
    """Returns the run of `write_stable`; its states are visited once for all settings."""
    visited: dict[bytes, States] = {}
    networks: dict[tuple[bytes, int, int], stable_tokens.StayNetwork] = {}

    def make(
        environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
    ) -> Policy:
        epochs, *rest = setting
        examples = learned_examples(environments, split, indices)
        known = examples.indices.tobytes()
        if known not in visited:
            visited[known] = visited_states(examples)
        if (known, epochs, seed) not in networks:
            networks[known, epochs, seed] = learned_network(visited[known], epochs, seed)
        return write_stable(networks[known, epochs, seed], *rest)

    return PolicyRun(make)
