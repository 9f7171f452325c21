"""`actions="read_write"`: simultaneous translation; read the next source word, or write a token.

Owns when source words are read and target tokens are written. Knows nothing of rewards, and does
not decide when an episode is over.
"""

from collections.abc import Callable, Mapping
from functools import partial

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.base import Setup
from lm_envs.envs.actions.token_actions import TokenActions
from lm_envs.envs.observations.features import (
    BudgetLeft,
    CandidateFeatures,
    Feature,
    free_reads,
    source_left,
)
from lm_envs.model.engine import Outputs
from lm_envs.tasks.rewards.lagging import average_lagging, differentiable_average_lagging
from lm_envs.tasks.rewards.text_normalization import rouge_words
from lm_envs.tasks.translation import DIFFERENTIABLE_LAGGING, LAGGING, Translation

READ, WRITE = 0, 1
NUM_CANDIDATES = 4
"""Enough for at least one candidate that is neither the end token nor the end of the line."""

WORDS_PER_TOKEN = (0.5, 1.0)
"""Source words that a target token may be worth; the columns of `free_reads`."""

WAIT_K = (1, 2, 3)
"""Source words that the baselines wait for."""


class ReadWriteActions(TokenActions):
    """Action 0 reads the next source word; action 1 writes the model's most likely next token.

    The first source word is read at the start. The translation does not end before the whole source
    was read; after that, both actions write.

    Attributes:
        line_ends: Ids of the tokens that end the translation.
    """

    num_candidates = NUM_CANDIDATES
    meaning = "to read and to write"

    def __init__(self) -> None:
        self.space = gym.spaces.Discrete(2)

    def prepare(self, setup: Setup) -> None:
        """Raises ValueError if the task is not a simultaneous translation."""
        task = setup.task
        if not (isinstance(task, Translation) and task.is_simultaneous):
            raise ValueError(
                f"Got actions='read_write' for {setup.task_name!r}; 'read_write' and "
                "mode='simultaneous' of a translation go together, and with nothing else."
            )

    def connect(self, setup: Setup) -> None:
        """Stores the translation and the id of a line end."""
        assert isinstance(setup.task, Translation)  # `prepare` has checked it
        self._translation = setup.task
        newline = setup.tokenizer.encode("\n")[:1]
        self.line_ends = np.append(setup.tokenizer.end_tokens, newline)

    @property
    def has_model_probabilities(self) -> bool:
        """False: the model has no probability of reading."""
        return False

    @property
    def num_read(self) -> np.ndarray:
        """(N,) source words read: the first, and one for each step that wrote nothing."""
        return 1 + self.episodes.steps - self.episodes.counts

    @property
    def num_source(self) -> np.ndarray:
        """(N,) source words in all."""
        return np.array([self._translation.num_source_words(e) for e in self.episodes.examples])

    def next_words(self) -> list[str]:
        """Returns the source word that each of N rows would read now; "" after the last one."""
        pairs = zip(self.episodes.examples, self.num_read.tolist(), strict=True)
        return [self._translation.source_word(example, count) for example, count in pairs]

    @property
    def num_written(self) -> np.ndarray:
        """(N,) target words written."""
        return np.array([len(rouge_words(text)) for text in self.episodes.texts])

    def free_reads(self, words_per_token: float) -> np.ndarray:
        """Returns how many source words (N,) can be read without a larger differentiable lagging.

        Lagging never falls while a text is written, so that a translation which lags behind less
        than it did before can read on. The length of the whole translation is assumed.

        Args:
            words_per_token: Source words that each target token is worth, 0 or more.
        """
        episodes = self.episodes
        places = np.arange(episodes.tokens.shape[1])
        lags = _num_read_at(episodes.steps_of) - words_per_token * places  # (N, B) at each token
        largest = np.where(places < episodes.counts[:, None], lags, -np.inf).max(1)
        now = self.num_read - words_per_token * episodes.counts
        return np.maximum(largest - now, 0.0)

    def to_tokens(self, actions: np.ndarray, outputs: Outputs, rows: np.ndarray) -> np.ndarray:
        """Returns the most likely candidates (N,) that can be written now; actions are ignored."""
        candidates = outputs.candidates
        is_end = np.isin(candidates, self.line_ends)
        has_more = self.num_read < self.num_source
        ranks = (is_end & has_more[:, None]).argmin(1)
        return np.take_along_axis(candidates, ranks[:, None], 1)[:, 0]

    def read_contexts(self, rows: np.ndarray) -> None:
        """Prefills the source words read so far and the tokens written after them."""
        num_read = self.num_read
        for row in rows.tolist():
            self.episodes.set_context(row, self.context_after(row, int(num_read[row])))
        super().read_contexts(rows)

    def context_after(self, row: int, num_read: int) -> np.ndarray:
        """Returns the tokens (T,) of a row's context, had it read so many source words."""
        episodes = self.episodes
        source = self._translation.source_prefix(episodes.examples[row], num_read)
        return np.concatenate([source, episodes.tokens[row, : episodes.counts[row]]])

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Reads a word or writes a token in each of `rows` (R,); which completed the line."""
        has_more = self.num_read < self.num_source
        is_reading = (actions[rows] == READ) & has_more[rows]
        reading, writing = rows[is_reading], rows[~is_reading]
        is_line = np.zeros(len(rows), bool)
        if len(writing):
            is_line[~is_reading] = super().write(writing, actions)
        if len(reading):
            self.collect()
            self.episodes.skip_step(reading)
            self.read_contexts(reading)
        for row in writing.tolist():
            self.episodes.set_task_scores(row, self._laggings(row))
        return is_line

    def masks(self) -> np.ndarray:
        """Returns (N, 2) bool: reading while source words are left; writing always."""
        is_left = self.num_read < self.num_source
        return np.stack([is_left, np.ones(len(is_left), bool)], axis=1)

    def features(self) -> list[Feature]:
        """Returns the candidates' columns, and what is left of source, lagging and budget."""
        source = source_left(lambda: 1.0 - self.num_read / self.num_source)
        free = free_reads(
            lambda: np.stack([self.free_reads(words) for words in WORDS_PER_TOKEN], axis=1),
            np.array(WORDS_PER_TOKEN) * self._translation.max_new_tokens,
        )
        return [CandidateFeatures(NUM_CANDIDATES), source, free, BudgetLeft()]

    def candidate_logprobs(self) -> np.ndarray:
        """Returns (N, 2): equal probabilities of the valid actions, nats; -inf for the others."""
        masks = self.masks()
        return np.where(masks, -np.log(masks.sum(1, keepdims=True)), -np.inf)

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Returns the ranks (N,): 0 reads, 1 writes."""
        return ranks

    def oracle_actions(self) -> np.ndarray:
        """Returns READ for all N rows: the whole source is known before anything is written."""
        return np.full(len(self.episodes.counts), READ)

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns the wait-k policies.

        Source: Ma et al. 2019, https://arxiv.org/abs/1810.08398.
        """
        return {f"wait-{k}": partial(self._wait, k) for k in WAIT_K}

    def _wait(self, k: int) -> np.ndarray:
        """Actions (N,) that stay k source words ahead of the target words written."""
        return np.where(self.num_read < k + self.num_written, READ, WRITE)

    def _laggings(self, row: int) -> dict[str, float]:
        count = self.episodes.counts[row]
        num_read = _num_read_at(self.episodes.steps_of[row, :count])
        num_source = self._translation.num_source_words(self.episodes.examples[row])
        return {
            LAGGING: average_lagging(num_read, num_source),
            DIFFERENTIABLE_LAGGING: differentiable_average_lagging(num_read, num_source),
        }


def _num_read_at(steps: np.ndarray) -> np.ndarray:
    """Returns the source words read before each token (..., T) was written after so many steps."""
    return 1 + steps - np.arange(steps.shape[-1])
