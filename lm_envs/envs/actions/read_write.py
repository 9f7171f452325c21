"""Reading and writing at once: the source is heard word by word, the model writes meanwhile.

Owns when the next source word is heard and when the next target word is written. Knows nothing of
rewards, or of when an episode is over.
"""

from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.token_writer import TokenWriter
from lm_envs.envs.actions.tokens import TopKActions, check_discrete
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.model.engine import Engine, Outputs
from lm_envs.tasks.rewards.lagging import average_lagging
from lm_envs.tasks.translation import LAGGING, Translation
from lm_envs.tokenizer import Tokenizer

READ, WRITE = 0, 1
NUM_CANDIDATES = 4
"""Enough for one of them to be neither the end of text nor the end of the line."""


class SimultaneousWriter:
    """Hears a word, or writes the model's likeliest word after what was heard and written.

    The first word is heard at the start. The translation does not end before all was heard, and
    to read on when all was heard is to write.

    Args:
        engine: The model, with `NUM_CANDIDATES` candidates.
        episodes: Where words are noted.
        task: Tells what is heard.
        tokenizer: Cuts it into tokens.
    """

    def __init__(
        self, engine: Engine, episodes: EpisodeBuffer, task: Translation, tokenizer: Tokenizer
    ) -> None:
        self.space: gym.Space[Any] = gym.spaces.Discrete(2)
        self._words = TokenWriter(TopKActions(NUM_CANDIDATES), engine, episodes, task)
        self.reserved_tokens, self.update_choices, self.restore = (
            1,
            self._words.update_choices,
            self._words.restore,
        )
        self._engine, self._episodes, self._task = engine, episodes, task
        self._newline = int(tokenizer.encode("\n")[0])

    @property
    def outputs(self) -> Outputs:
        """The model's."""
        return self._engine.outputs

    @property
    def num_read(self) -> np.ndarray:
        """(N,) source words heard: the first, and one for each step that wrote nothing."""
        return 1 + self._episodes.steps - self._episodes.counts

    @property
    def num_words(self) -> np.ndarray:
        """(N,) source words to hear in all."""
        return np.array([self._task.num_source_words(e) for e in self._episodes.examples])

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions (N,) int64; 0 where `rows` is False."""
        return check_discrete(actions, rows, 2, "to read and to write")

    def read(self, rows: np.ndarray) -> None:
        """Reads afresh what was heard in `rows`, and goes on after what was written."""
        episodes, heard = self._episodes, self.num_read
        for row in rows.tolist():
            source = self._task.source_prefix(episodes.examples[row], int(heard[row]))
            written = episodes.tokens[row, : episodes.counts[row]]
            episodes.set_context(row, np.concatenate([source, written]))
        self._words.read(rows)

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """A word heard or written in each of `rows` (R,); which of them ended the line, (R,)."""
        has_more = self.num_read < self.num_words
        reads = (actions[rows] == READ) & has_more[rows]
        listening, writing = rows[reads], rows[~reads]
        is_over = np.zeros(len(rows), bool)
        if len(writing):
            candidates = self._engine.outputs.candidates
            is_end = (candidates == self._engine.end_token) | (candidates == self._newline)
            ranks = (is_end & has_more[:, None]).argmin(1)  # the first that may be written now
            is_over[~reads] = self._words.write(writing, ranks)
        if len(listening):
            self._episodes.skip_step(listening)
            self.read(listening)
        for row in writing.tolist():
            self._episodes.set_task_scores(row, {LAGGING: self._lagging(row)})
        return is_over

    def masks(self) -> np.ndarray:
        """To read while there is more to hear; to write always."""
        return np.stack([self.num_read < self.num_words, np.ones(len(self.num_read), bool)], axis=1)

    def candidate_logprobs(self) -> np.ndarray:
        """Even chances of what is open; to read comes first."""
        masks = self.masks()
        return np.where(masks, -np.log(masks.sum(1, keepdims=True)), -np.inf)

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """To read for 0, to write for 1."""
        return ranks

    def oracle_actions(self) -> np.ndarray:
        """To read: nobody knows better than to hear everything first."""
        return np.full(len(self.num_read), READ)

    def _lagging(self, row: int) -> float:
        count = self._episodes.counts[row]
        heard = 1 + self._episodes.steps_of[row, :count] - np.arange(count)
        num_source = self._task.num_source_words(self._episodes.examples[row])
        return average_lagging(heard, num_source)
