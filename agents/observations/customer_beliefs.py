"""What classifiers believe about a customer of the dialogue, as columns of an observation.

Owns the columns, and which customers the classifiers learn from. Knows no policy and no reward.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from zlib import crc32

import gymnasium as gym
import numpy as np

from agents.baselines.rules.customer_beliefs import (
    CORRECTION,
    MOST_CONVERSATIONS,
    Beliefs,
    Classifiers,
    Conversation,
    beliefs,
    conversation,
    learned_classifiers,
)
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.base import ColumnBox
from lm_envs.envs.observations.factory import View
from lm_envs.envs.observations.features import Bounds
from lm_envs.lru import LRUCache
from lm_envs.model.engine import Outputs
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.simulators.customer import REQUESTS, asked_slot, is_polite
from lm_envs.tasks.simulators.customer_population import Population, varied_customers
from lm_envs.tasks.simulators.varied_customer import (
    CLARIFY,
    CONFIRM,
    CONFIRMED,
    MOODS,
    NOT_NEEDED,
    WRONG_GRANT,
    VariedCustomer,
)

PATH = "agents.observations.customer_beliefs:CustomerBeliefs"
BELIEFS, LOG_ODDS, EVENTS = "customer_beliefs", "customer_log_odds", "conversation_events"

SHOWN_FEATURES = "char_wb_dropout"
"""What the classifiers count; see `learned_classifiers`."""

LEARNED_CUSTOMERS = 2_000
"""Customers that the classifiers learn from: as many as those of the rule."""

MOST_LOG_ODDS, LOG_ODDS_SCALE = 6.0, 3.0
"""Log-odds are clipped to [-6, 6] nats and divided by 3, so that they have the size of the rest."""

_QUESTION, _GRANT, _CLARIFICATION, _CONFIRMATION = range(4)
_NUM_COUNTS, _NUM_EVENTS = 11, 20


class CustomerBeliefs:
    """Probabilities of what a varied customer hides, and what happened so far.

    `customer_beliefs` (9): probabilities of the five requests, the three moods, and a mistake.
    `customer_log_odds` (9): their log-odds over 3, in [-2, 2].
    `conversation_events` (20): numbers of short lines with and without an answer, and of polite
    ones; of short and polite clarifications; whether a value was confirmed, and whether one was
    corrected; numbers of confirmations, wrong grants and needless questions. Then for the last line
    which of eight kinds it was, a question, grant, clarification or confirmation in a short or a
    polite tone; and whether it got no answer.

    The classifiers learn from request, mood and mistakes of customers of the split "train", which
    no agent sees, and from their wordings; see `learned_classifiers`. They need scikit-learn.

    Args:
        view: What the observation is made from.
        dropout: Share of the words of a conversation that the classifiers do not read, the same at
            each of its turns: for training, so that a policy learns how sure they are of wordings
            that they have not learned. `agents` evaluates without it.

    Raises:
        ValueError: If the task is no dialogue with varied customers.
    """

    def __init__(self, view: View, *, dropout: float = 0.0) -> None:
        task = view.setup.task
        if not (isinstance(task, Dialogue) and isinstance(task.customers[0], VariedCustomer)):
            raise ValueError(
                f"Got CustomerBeliefs for {type(task).__name__}; allowed: Dialogue with "
                'customers="varied".'
            )
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"Got dropout={dropout!r}; allowed: 0 <= dropout < 1.")
        self._dropout = dropout
        self._classifiers = _classifiers(task.population)
        self._encoded = LRUCache[Conversation, np.ndarray](MOST_CONVERSATIONS)
        size, most = len(REQUESTS) + len(MOODS) + 1, MOST_LOG_ODDS / LOG_ODDS_SCALE
        counts = np.full(_NUM_EVENTS, float(task.max_turns))
        self.columns: Mapping[str, Bounds] = {
            BELIEFS: (np.zeros(size), np.ones(size)),
            LOG_ODDS: (np.full(size, -most), np.full(size, most)),
            EVENTS: (np.zeros(_NUM_EVENTS), counts),
        }

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 38)."""
        talks = [conversation(episodes, row) for row in range(len(episodes.prompts))]
        # An environment that restarts rows encodes all rows twice a step, and evaluations repeat
        # conversations: classifying them takes longer than all else in a step.
        encoded = self._encoded.get_or_compute(
            talks, lambda places: self._encode([talks[place] for place in places])
        )
        return np.stack(encoded)

    def _encode(self, talks: Sequence[Conversation]) -> np.ndarray:
        """Returns the columns of conversations (C, 38)."""
        salts = [crc32(talk.replies[0].encode()) for talk in talks]
        found = beliefs(self._classifiers, talks, self._dropout, salts)
        shares = np.array(
            [[*each.requests.values(), *each.moods.values(), each.mistaken] for each in found]
        )
        odds = np.log(shares.clip(1e-9)) - np.log((1.0 - shares).clip(1e-9))
        odds = odds.clip(-MOST_LOG_ODDS, MOST_LOG_ODDS) / LOG_ODDS_SCALE
        counts = np.array([events(talk) for talk in talks])
        return np.concatenate([shares, odds, counts], axis=1).astype(np.float32)


def shows_beliefs(space: gym.Space) -> bool:
    """Returns whether the observations of a space have the columns of `CustomerBeliefs`."""
    return isinstance(space, ColumnBox) and BELIEFS in space.columns


def shown_beliefs(space: gym.Space, observations: np.ndarray) -> list[Beliefs]:
    """Returns the beliefs that observations (N, D) of a space show."""
    assert isinstance(space, ColumnBox)
    shares = observations[:, space.columns[BELIEFS]].astype(np.float64)
    found = []
    for row in shares.tolist():
        requests = dict(zip(sorted(REQUESTS), row, strict=False))
        names: list[str] = sorted(MOODS)
        moods = dict(zip(names, row[len(REQUESTS) :], strict=False))
        found.append(Beliefs(requests, moods, row[-1]))
    return found


def events(talk: Conversation) -> np.ndarray:
    """Returns what happened in a conversation (20,); see `CustomerBeliefs`."""
    found = np.zeros(_NUM_EVENTS)
    for turn, reply in zip(talk.turns, talk.replies[1:], strict=True):
        kind, tone = _kind(turn), int(is_polite(turn))
        is_right, is_corrected = reply.startswith(CONFIRMED), reply.startswith(CORRECTION)
        is_answered = is_right or is_corrected or reply == NOT_NEEDED or talk.has_value(reply)
        is_refused = kind in (_QUESTION, _CONFIRMATION) and not is_answered
        if kind in (_QUESTION, _CONFIRMATION) and reply != NOT_NEEDED:
            found[2 * tone + int(is_refused)] += 1
        found[4 + tone] += kind == _CLARIFICATION
        found[6] = max(found[6], kind == _CONFIRMATION and is_right)
        found[7] = max(found[7], kind == _CONFIRMATION and is_corrected)
        found[8] += kind == _CONFIRMATION
        found[9] += reply == WRONG_GRANT
        found[10] += reply == NOT_NEEDED
        found[_NUM_COUNTS:] = 0.0
        found[_NUM_COUNTS + 2 * kind + tone] = 1.0
        found[-1] = is_refused
    return found


def _kind(turn: str) -> int:
    if turn in CLARIFY:
        return _CLARIFICATION
    if turn in CONFIRM:
        return _CONFIRMATION
    return _GRANT if asked_slot(turn) is None else _QUESTION


@lru_cache(maxsize=4)
def _classifiers(population: Population) -> Classifiers:
    """Returns the classifiers that learned from the first customers of the split "train"."""
    customers = varied_customers("train", population)[:LEARNED_CUSTOMERS]
    return learned_classifiers(customers, SHOWN_FEATURES)
