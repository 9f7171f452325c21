"""Spoken words and what was shown of them in live subtitles, as columns of an observation.

Knows nothing of rewards or action kinds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.features import LOWEST_LOGPROB, Bounds
from lm_envs.model.embeddings import TextEmbeddings
from lm_envs.model.engine import Outputs
from lm_envs.tasks.subtitles.task import LiveSubtitles
from lm_envs.tasks.subtitles.waiting import waiting_words

RECENT = 3
"""Last decisions that are observed."""

NATS = 5.0
"""Log-probabilities are divided by this, so that they are about as large as the other columns."""

NUM_LOGPROBS = 3
"""Log-probabilities of words that are observed."""


def is_shown(episodes: EpisodeBuffer, row: int) -> np.ndarray:
    """Returns which of the words so far were shown in a row, (T,) bool: each step decides one."""
    found = np.zeros(episodes.steps[row], bool)
    found[episodes.steps_of[row, : episodes.counts[row]]] = True
    return found


@dataclass(frozen=True, slots=True)
class _Upcoming:
    """The next words of N rows, H each: the present one and those ahead.

    Attributes:
        tokens: (N H, T) int64 ids, from the left.
        sizes: (N H,) int64 number of ids; 0 after the last word.
        information: (N, H) share of each word in the information of all, times their number W.
    """

    tokens: np.ndarray
    sizes: np.ndarray
    information: np.ndarray


class UpcomingWords:
    """The present word, some words ahead, and what was shown.

    `word_embeddings` (H D): mean token embedding of each of these H words, times the
    square root of its number of tokens, about 1 long. `word_information` (H): see the score
    `content`; 1 is the average word. `word_tokens` (H): number of tokens. `word_logprobs` (3):
    log-probabilities of first tokens after what was shown, clipped to [-30, 0] nats, divided by 5:
    of the present word; of the next word, if the present one is shown; and of the next word, if it
    is left out. `recently_shown` (3): 1 if the last word was shown, the one before it, and
    the one before that. `waiting` (1): shown words that wait to be read. `shown_share` (1): share
    of the words so far that was shown. `words_left` (1): share of the words that are still to come.

    Embeddings are short here, unlike those of observation="embeddings": a few numbers about the
    word have to be found beside hundreds of them.

    Args:
        task: The task.
        embeddings: Of the model's tokens.
        logprobs: Returns the log-probabilities (N, 3) of words, nats.
        ahead: Words beyond the present one, 1 or more.
    """

    def __init__(
        self,
        task: LiveSubtitles,
        embeddings: TextEmbeddings,
        logprobs: Callable[[], np.ndarray],
        ahead: int,
    ) -> None:
        self._task, self._embeddings, self._logprobs = task, embeddings, logprobs
        self._count, words = 1 + ahead, task.spoken_words
        most = float(task.max_new_tokens)
        longest = np.float32(most / len(embeddings.bound))
        bound = np.tile(embeddings.bound * np.sqrt(longest), self._count)
        zero, one, zeros = np.zeros(1), np.ones(1), np.zeros(self._count)
        self.columns: Mapping[str, Bounds] = {
            "word_embeddings": (-bound, bound),
            "word_information": (zeros, np.full(self._count, float(words))),
            "word_tokens": (zeros, np.full(self._count, most)),
            "word_logprobs": (np.full(NUM_LOGPROBS, LOWEST_LOGPROB / NATS), np.zeros(NUM_LOGPROBS)),
            "recently_shown": (np.zeros(RECENT), np.ones(RECENT)),
            "waiting": (zero, np.full(1, float(words))),
            "shown_share": (zero, one),
            "words_left": (zero, one),
        }

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, size)."""
        upcoming = self._upcoming(episodes)
        num_rows = len(episodes.steps)
        pooled = self._embeddings.pooled(upcoming.tokens, upcoming.sizes)
        pooled = pooled.reshape(num_rows, -1) / np.sqrt(np.float32(pooled.shape[1]))
        logprobs = self._logprobs().clip(LOWEST_LOGPROB, 0.0) / NATS
        sizes = upcoming.sizes.reshape(num_rows, -1)
        done = [self._shown_columns(is_shown(episodes, row)) for row in range(num_rows)]
        parts = [pooled, upcoming.information, sizes, logprobs, np.array(done)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _upcoming(self, episodes: EpisodeBuffer) -> _Upcoming:
        found, information = [], np.zeros((len(episodes.steps), self._count))
        nothing = np.zeros(0, np.int64)
        for row, step in enumerate(episodes.steps.tolist()):
            spoken = self._task.spoken(episodes.examples[row])
            words = spoken.tokens[step : step + self._count]
            found += [*words, *[nothing] * (self._count - len(words))]
            shares = spoken.information[step : step + self._count]
            information[row, : len(shares)] = shares * len(spoken)
        sizes = np.array([len(word) for word in found])
        tokens = np.zeros((len(found), max(int(sizes.max()), 1)), np.int64)
        for place, word in enumerate(found):
            tokens[place, : len(word)] = word
        return _Upcoming(tokens, sizes, information)

    def _shown_columns(self, shown: np.ndarray) -> np.ndarray:
        """Returns the columns from `recently_shown` on."""
        recent = np.zeros(RECENT)
        recent[: min(len(shown), RECENT)] = shown[::-1][:RECENT]
        waiting = waiting_words(shown, self._task.reading_speed)[-1:].sum()
        left = 1.0 - len(shown) / self._task.spoken_words
        return np.array([*recent, waiting, shown.mean() if len(shown) else 0.0, left])
