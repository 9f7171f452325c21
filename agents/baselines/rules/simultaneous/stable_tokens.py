"""A rule for simultaneous translation: write a token that the rest of the source would not change.

In the agent's examples the whole source is known, and with it how likely the model writes a token
after all of it. A network learns to predict that from what the agent sees; the rule writes a token
that is likely to stay. Knows nothing of rewards.

Source: units whose translation the rest of the source does not change, Zhang et al. 2020,
https://aclanthology.org/2020.emnlp-main.178; here a unit is a token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.simultaneous.confidence import (
    confident,
    read_write_actions,
    tokens_to_write,
    write_when,
)
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import run_episodes
from lm_envs.envs.actions.read_write import READ
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv

NAME = "write what stays"

VISITED = (
    *((0.3, 2, 0.0), (0.5, 3, 0.0), (0.7, 3, 1.0), (0.9, 4, 0.5)),
    *((0.95, 8, 0.0), (0.7, 2, 1.0), (0.8, 3, 1.0)),
)
"""Settings of the rule `confident` in whose episodes states are visited."""

OTHERWISE = 0.2
"""Probability that such an episode takes the other action at a step."""

WIDTH, DROPOUT = 128, 0.2
BATCH, LEARNING_RATE, DECAY = 256, 1.0e-3, 0.01
LEAST_SCALE = 1.0e-6


@dataclass(frozen=True, slots=True)
class States:
    """States in which source words were left.

    Attributes:
        observations: (T, F) float32.
        stays: (T,) float32, probability of the token that would be written, had the model read the
            whole source.
    """

    observations: np.ndarray
    stays: np.ndarray


@dataclass(frozen=True, slots=True)
class StayNetwork:
    """A network that estimates the probability that a token stays.

    Attributes:
        layers: From standardized observations to a logit.
        mean: (F,) of the observations that it learned from.
        scale: (F,) their standard deviation.
    """

    layers: nn.Module
    mean: np.ndarray
    scale: np.ndarray

    def probabilities(self, observations: np.ndarray) -> np.ndarray:
        """Returns the probability (N,) after observations (N, F)."""
        with torch.inference_mode():
            return torch.sigmoid(self.layers(self._standardized(observations)))[:, 0].numpy()

    def _standardized(self, observations: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((observations - self.mean) / self.scale)

    def fit(self, states: States, epochs: int) -> None:
        """Learns the cross-entropy of the states' probabilities."""
        observations, stays = (
            self._standardized(states.observations),
            torch.from_numpy(states.stays),
        )
        optimizer = torch.optim.AdamW(self.layers.parameters(), LEARNING_RATE, weight_decay=DECAY)
        self.layers.train()
        for _ in range(epochs):
            for places in torch.randperm(len(stays)).split(BATCH):
                logits = self.layers(observations[places])[:, 0]
                loss = F.binary_cross_entropy_with_logits(logits, stays[places])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.layers.eval()


def visited_states(
    examples: LearnedExamples,
    settings: Sequence[tuple[float, int, float]] = VISITED,
    seed: int = 0,
) -> States:
    """Returns states of the examples that policies with different confidence come to.

    Args:
        examples: Of simultaneous translation.
        settings: Of `confident`.
        seed: Of the other actions.
    """
    rng = np.random.default_rng(seed)
    seen: list[np.ndarray] = []
    stays: list[np.ndarray] = []

    def visiting(policy: Policy) -> Policy:
        def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
            actions, is_left = policy(env, observations), env.action_masks()[:, READ]
            rows = np.flatnonzero(is_left)
            if len(rows):
                seen.append(_as_array(observations)[rows])
                stays.append(stay_probabilities(env, rows))
            other = (rng.random(len(actions)) < OTHERWISE) & is_left
            return np.where(other, 1 - actions, actions)

        return act

    for setting in settings:
        run_episodes(examples.env, visiting(confident(*setting)), examples.indices)
    return States(np.concatenate(seen), np.concatenate(stays).astype(np.float32))


def stay_probabilities(env: LanguageVectorEnv, rows: np.ndarray) -> np.ndarray:
    """Returns the probability of the token that each row would write now, had it read everything.

    Args:
        env: Rows of a simultaneous translation.
        rows: (R,) rows in which source words are left.

    Returns:
        (R,) float64, by the language model after the whole source and what is written.
    """
    actions = read_write_actions(env)
    tokens = tokens_to_write(actions, rows)
    num_source = actions.num_source
    texts = [actions.context_after(row, int(num_source[row])) for row in rows.tolist()]
    after = [np.append(text[1:], token) for text, token in zip(texts, tokens, strict=True)]
    logprobs = env.engine.next_token_logprobs(texts, after)
    return np.exp(np.array([each[-1] for each in logprobs]))


def learned_network(states: States, epochs: int, seed: int) -> StayNetwork:
    """Returns a network that has learned from the states.

    Args:
        states: T states.
        epochs: Passes over them.
        seed: Of the weights, the dropout and the order of the states.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Sequential(
            nn.Linear(states.observations.shape[1], WIDTH),
            *(nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(WIDTH, WIDTH)),
            *(nn.ReLU(), nn.Linear(WIDTH, 1)),
        )
        mean, scale = states.observations.mean(0), states.observations.std(0) + LEAST_SCALE
        network = StayNetwork(layers, mean, scale)
        network.fit(states, epochs)
    return network


def write_stable(network: StayNetwork, least: float, lag: int, words_per_token: float) -> Policy:
    """Returns the policy that writes where the network expects the token to stay.

    Args:
        network: Has learned from other examples.
        least: Lowest probability that a token stays, in [0, 1], at which it is written.
        lag: As of `write_when`.
        words_per_token: As of `write_when`.
    """

    def is_sure(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        return network.probabilities(_as_array(observations)) >= least

    return write_when(is_sure, lag, words_per_token)


def _as_array(observations: Observations) -> np.ndarray:
    """Returns the observations (N, F), which are one array for these actions."""
    assert isinstance(observations, np.ndarray)
    return observations
