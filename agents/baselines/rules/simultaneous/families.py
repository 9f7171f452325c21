"""Baselines of a simultaneous translation, as policies that read and write.

Owns which settings are tried. Knows nothing of rewards.
"""

from itertools import product

from agents.baselines.families import Family, PolicyRun, Setting, by_policy, grid
from agents.baselines.learned_examples import (
    LearnedExamples,
    by_learned_policy,
    once_for_examples,
)
from agents.baselines.rules.simultaneous import agreement, confidence, stable_tokens
from agents.baselines.rules.simultaneous.agreement import guessed_agreement, write_agreed
from agents.baselines.rules.simultaneous.confidence import confident
from agents.baselines.rules.simultaneous.stable_tokens import (
    StayNetwork,
    learned_network,
    visited_states,
    write_stable,
)
from agents.evaluation.baselines import Policy

CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
LAGS = (2, 3, 4, 8)
WORDS_PER_TOKEN = (0.0, 0.5)

LEAST_AGREED = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)

EPOCHS = (3, 6)
LEAST_STAYS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
STABLE_LAGS = (3, 8)


def families() -> list[Family]:
    """Returns the baselines that write while the model is confident, or its token likely stays."""
    confident_settings = map(list, product(CONFIDENCES, LAGS, WORDS_PER_TOKEN))
    stable_settings = map(list, product(EPOCHS, LEAST_STAYS, STABLE_LAGS, WORDS_PER_TOKEN))
    by_confidence = by_policy(lambda setting, seed: confident(*setting))
    agreed_settings = map(list, product(LEAST_AGREED, STABLE_LAGS, WORDS_PER_TOKEN))
    shares = guessed_agreement()
    by_agreement = by_policy(lambda setting, seed: write_agreed(shares, *setting))
    return [
        Family(confidence.NAME, grid(*confident_settings), by_confidence),
        Family(agreement.NAME, grid(*agreed_settings), by_agreement),
        Family(stable_tokens.NAME, grid(*stable_settings), _stable_run(), is_drawn=True),
    ]


def _stable_run() -> PolicyRun:
    """Returns the run of `write_stable`; its states are visited once for all settings."""
    visited = once_for_examples(visited_states)

    @once_for_examples
    def network(examples: LearnedExamples, epochs: int, seed: int) -> StayNetwork:
        return learned_network(visited(examples), epochs, seed)

    def learn(examples: LearnedExamples, setting: Setting, seed: int) -> Policy:
        epochs, *rest = setting
        return write_stable(network(examples, epochs, seed), *rest)

    return by_learned_policy(learn)
