"""What an observation is made of: features of a text, each some columns of numbers.

Knows nothing of tasks or rewards.
"""

from typing import Protocol

import numpy as np

from lm_envs.envs.actions.choices import ChoiceWriter
from lm_envs.envs.actions.copying import CopyCandidates
from lm_envs.envs.actions.read_write import SimultaneousWriter
from lm_envs.envs.actions.tokens import EmbeddingActions
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.model.base import LanguageModel
from lm_envs.model.embeddings import TextEmbeddings
from lm_envs.model.engine import Outputs
from lm_envs.tasks.rewards.token_scores import Completions

LOWEST_LOGPROB = -30.0
LONGEST_REPEAT = 2
POINT_BOUND = 100.0
"""No word lies farther out along an axis of `EmbeddingActions`."""

Columns = tuple[np.ndarray, np.ndarray]
"""Lowest and highest value of some columns."""


class Feature(Protocol):
    """Some columns of an observation.

    Attributes:
        bounds: Lowest and highest value of each column.
    """

    bounds: Columns

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """The columns of N rows."""
        ...


class Hidden:
    """The model's last hidden state, bounded by the last norm's gain and bias.

    Args:
        model: Whose state is meant.
    """

    def __init__(self, model: LanguageModel) -> None:
        bound = model.hidden_bound.cpu().numpy()
        self.bounds: Columns = (-bound, bound)

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, D)."""
        return outputs.hidden


class TextPool:
    """Mean word embedding of the text, prompt included, times the square root of its length.

    Args:
        vectors: Of the model's words.
        capacity: C, most tokens in a text.
    """

    def __init__(self, vectors: TextEmbeddings, capacity: int) -> None:
        self._vectors = vectors
        bound = vectors.bound * np.float32(capacity**0.5)
        self.bounds: Columns = (-bound, bound)

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, D)."""
        return self._vectors.pooled(episodes.contexts, episodes.context_lengths)


class LastTokens:
    """Word embeddings of the last tokens of the text, the newest last, zeros before its beginning.

    Args:
        vectors: Of the model's words.
        count: How many tokens.
    """

    def __init__(self, vectors: TextEmbeddings, count: int) -> None:
        self._vectors = vectors
        self._count = count
        bound = np.tile(vectors.bound, count)
        self.bounds: Columns = (-bound, bound)

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, count D)."""
        tokens, lengths = episodes.contexts, episodes.context_lengths
        return self._vectors.last(tokens, lengths, self._count).reshape(len(tokens), -1)


class Candidates:
    """Each candidate's log-probability, and whether it stands in the text already.

    Log-probabilities are in nats, clipped to [-30, 0]. Repeat is 0 for a new word, 0.5 for a word
    of this draft, 1 for a pair of words of this draft. Echo is 1 for a word of the prompt.

    Args:
        count: K.
    """

    def __init__(self, count: int) -> None:
        lowest, zeros, ones = np.full(count, LOWEST_LOGPROB), np.zeros(count), np.ones(count)
        low, high = np.concatenate([lowest, zeros, zeros]), np.concatenate([zeros, ones, ones])
        self.bounds: Columns = (low, high)

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, 3 K)."""
        logprobs = outputs.logprobs.clip(LOWEST_LOGPROB, 0.0)
        repeats = repeat_lengths(outputs.candidates, episodes.completions) / np.float32(
            LONGEST_REPEAT
        )
        return np.concatenate([logprobs, repeats, _echoes(outputs.candidates, episodes)], axis=1)


class Pointed:
    """How much of the pointer's weight each candidate has, in [0, 1]; see `Pointer`.

    Args:
        copied: Knows it.
        count: K.
    """

    def __init__(self, copied: CopyCandidates, count: int) -> None:
        self._copied = copied
        self.bounds: Columns = (np.zeros(count), np.ones(count))

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, K)."""
        return self._copied.shares


class CandidatePoints:
    """Where each candidate lies in the space of embedding actions.

    Args:
        actions: Whose space is meant.
    """

    def __init__(self, actions: EmbeddingActions) -> None:
        size = actions.num_candidates * actions.dim
        self._words = actions.words
        self.bounds: Columns = (np.full(size, -POINT_BOUND), np.full(size, POINT_BOUND))

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, K d)."""
        return self._words.points(outputs.candidates).reshape(len(outputs.candidates), -1)


class EnabledChoices:
    """Whether each line on offer can be chosen with effect.

    Args:
        writer: Who offers the lines.
    """

    def __init__(self, writer: ChoiceWriter) -> None:
        self._writer = writer
        self.bounds: Columns = (np.zeros(writer.num_choices), np.ones(writer.num_choices))

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, C)."""
        return self._writer.is_enabled


class ChoiceLogprobs:
    """The model's mean log-probability of each line on offer, nats, clipped to [-30, 0].

    Args:
        writer: Who offers the lines.
    """

    def __init__(self, writer: ChoiceWriter) -> None:
        self._writer = writer
        lowest = np.full(writer.num_choices, LOWEST_LOGPROB)
        self.bounds: Columns = (lowest, np.zeros(writer.num_choices))

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, C)."""
        return self._writer.scores.clip(LOWEST_LOGPROB, 0.0)


class TurnsLeft:
    """Share of the turns that is left, in [0, 1].

    Args:
        max_turns: Most turns in an episode.
    """

    def __init__(self, max_turns: int) -> None:
        self._max_turns = max_turns
        self.bounds: Columns = (np.zeros(1), np.ones(1))

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, 1)."""
        return 1.0 - episodes.steps[:, None] / np.float32(self._max_turns)


class SourceLeft:
    """Share of the source that is still to be heard, in [0, 1].

    Args:
        interpreter: Who hears it.
    """

    def __init__(self, interpreter: SimultaneousWriter) -> None:
        self._interpreter = interpreter
        self.bounds: Columns = (np.zeros(1), np.ones(1))

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, 1)."""
        return (1.0 - self._interpreter.num_read / self._interpreter.num_words)[:, None]


class BudgetLeft:
    """Share of the token budget that is left, in [0, 1]."""

    bounds: Columns = (np.zeros(1), np.ones(1))

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """(N, 1)."""
        return 1.0 - episodes.counts[:, None] / np.float32(episodes.tokens.shape[1])


def repeat_lengths(candidates: np.ndarray, completions: Completions) -> np.ndarray:
    """Longest n-gram, n <= 2, that each candidate would repeat in its draft: (N, K) int8.

    0: the word is new; 1: the word was written before; 2: it was written after the same word.
    """
    tokens, lengths = completions.tokens, completions.lengths  # (N, T), (N,)
    words = np.where(completions.is_written, tokens, -1)
    is_same = words[:, None, :] == candidates[:, :, None]  # (N, K, T)
    last = np.take_along_axis(tokens, np.maximum(lengths - 1, 0)[:, None], 1)
    follows_last = is_same[:, :, 1:] & (tokens[:, :-1] == last)[:, None, :]
    return is_same.any(-1).astype(np.int8) + follows_last.any(-1)


def _echoes(candidates: np.ndarray, episodes: EpisodeBuffer) -> np.ndarray:
    """Whether each candidate (N, K) is a word of its row's prompt: (N, K) bool."""
    width = int(episodes.prompt_lengths.max())
    is_prompt = np.arange(width) < episodes.prompt_lengths[:, None]  # (N, P)
    words = np.where(is_prompt, episodes.contexts[:, :width], -1)
    return (words[:, None, :] == candidates[:, :, None]).any(-1)
