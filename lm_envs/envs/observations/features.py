"""Features of an observation: named columns of numbers about the text of each row.

Knows nothing of tasks, rewards or action kinds.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.model.base import LanguageModel
from lm_envs.model.embeddings import TextEmbeddings, TokenSpace
from lm_envs.model.engine import Outputs
from lm_envs.tasks.rewards.token_scores import rows_last

LOWEST_LOGPROB = -30.0
"""Log-probabilities are clipped here; nats."""

LONGEST_REPEAT = 2
AXIS = "candidate_axis_"
"""Beginning of the names of the columns of `CandidateAxes`."""

POINT_BOUND = 100.0
"""No token lies farther out along an axis of the space of embedding actions."""

Bounds = tuple[np.ndarray, np.ndarray]
"""Lowest and highest value of some columns."""


class Feature(Protocol):
    """Some named columns of an observation.

    Attributes:
        columns: Bounds of the columns by name, from left to right.
    """

    columns: Mapping[str, Bounds]

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns all columns of N rows, (N, size).

        Args:
            outputs: The model's outputs after each row's text.
            episodes: What the rows have written.
        """
        ...


class Hidden:
    """The model's last hidden state, bounded by the gain and bias of the last norm.

    Args:
        model: The language model.
    """

    def __init__(self, model: LanguageModel) -> None:
        bound = model.hidden_bound.cpu().numpy()
        self.columns: Mapping[str, Bounds] = {"hidden": (-bound, bound)}

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, D)."""
        return outputs.hidden


class TextMean:
    """Mean token embedding of the text, prompt included, times the square root of its length.

    Args:
        embeddings: Of the model's tokens.
        capacity: C, most tokens in a text.
    """

    def __init__(self, embeddings: TextEmbeddings, capacity: int) -> None:
        self._embeddings = embeddings
        bound = embeddings.bound * np.float32(capacity**0.5)
        self.columns: Mapping[str, Bounds] = {"text_mean": (-bound, bound)}

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, D)."""
        return self._embeddings.pooled(episodes.contexts, episodes.context_lengths)


class LastTokens:
    """Embeddings of the last tokens of the text, the newest last; zeros before its beginning.

    Args:
        embeddings: Of the model's tokens.
        count: Number of tokens.
    """

    def __init__(self, embeddings: TextEmbeddings, count: int) -> None:
        self._embeddings, self._count = embeddings, count
        bound = np.tile(embeddings.bound, count)
        self.columns: Mapping[str, Bounds] = {"last_tokens": (-bound, bound)}

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, count D)."""
        tokens, lengths = episodes.contexts, episodes.context_lengths
        return self._embeddings.last(tokens, lengths, self._count).reshape(len(tokens), -1)


class CandidateFeatures:
    """Each candidate's log-probability, and whether it is in the text already.

    `candidate_logprobs`: nats, clipped to [-30, 0]. `candidate_repeats`: 0 for a new token, 0.5 for
    a token of this completion, 1 for a pair of tokens of this completion. `candidate_echoes`: 1 for
    a token of the prompt.

    Args:
        count: K.
    """

    def __init__(self, count: int) -> None:
        zeros, ones = np.zeros(count), np.ones(count)
        self.columns: Mapping[str, Bounds] = {
            "candidate_logprobs": (np.full(count, LOWEST_LOGPROB), zeros),
            "candidate_repeats": (zeros, ones),
            "candidate_echoes": (zeros, ones),
        }

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 3 K)."""
        logprobs = outputs.logprobs.clip(LOWEST_LOGPROB, 0.0)
        repeats = repeat_lengths(outputs.candidates, episodes) / np.float32(LONGEST_REPEAT)
        echoes = is_in_prompt(outputs.candidates, episodes)
        return np.concatenate([logprobs, repeats, echoes], axis=1)


class _Computed:
    """Columns that an action kind computes.

    Args:
        compute: Returns the columns (N, size).
        name: Of the columns.
        bounds: Lowest and highest value of each column.
    """

    def __init__(self, compute: Callable[[], np.ndarray], name: str, bounds: Bounds) -> None:
        self._compute = compute
        self.columns: Mapping[str, Bounds] = {name: bounds}

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, size)."""
        return self._compute()


def pointer_shares(compute: Callable[[], np.ndarray], count: int) -> Feature:
    """Share of the pointer's weight that each of K candidates has, in [0, 1]; see `Pointer`."""
    return _Computed(compute, "pointer_shares", (np.zeros(count), np.ones(count)))


def choices_enabled(compute: Callable[[], np.ndarray], count: int) -> Feature:
    """1 for each of C lines that would have an effect now, else 0."""
    return _Computed(compute, "choice_enabled", (np.zeros(count), np.ones(count)))


def choice_logprobs(compute: Callable[[], np.ndarray], count: int) -> Feature:
    """Mean log-probability of each of C lines, nats, clipped to [-30, 0]."""
    bounds = (np.full(count, LOWEST_LOGPROB), np.zeros(count))
    return _Computed(lambda: compute().clip(LOWEST_LOGPROB, 0.0), "choice_logprobs", bounds)


def source_left(compute: Callable[[], np.ndarray]) -> Feature:
    """Share of the source words that is not read yet, in [0, 1]."""
    return _Computed(lambda: compute()[:, None], "source_left", (np.zeros(1), np.ones(1)))


def free_reads(compute: Callable[[], np.ndarray], most: np.ndarray) -> Feature:
    """Source words that can be read without a larger lagging, (size,) at most `most`."""
    return _Computed(compute, "free_reads", (np.zeros(len(most)), most))


class CandidatePoints:
    """Where each candidate lies in the space of embedding actions.

    Args:
        tokens: The space.
        count: K.
        dim: d, its dimensions.
    """

    def __init__(self, tokens: TokenSpace, count: int, dim: int) -> None:
        self._tokens = tokens
        names = self._column_names(dim)
        bound = np.full(count * dim // len(names), POINT_BOUND)
        self.columns: Mapping[str, Bounds] = dict.fromkeys(names, (-bound, bound))

    def _column_names(self, dim: int) -> list[str]:
        return ["candidate_points"]

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, K d)."""
        return self._tokens.points(outputs.candidates).reshape(len(outputs.candidates), -1)


class CandidateAxes(CandidatePoints):
    """Where each candidate lies along each axis of the space of token embeddings.

    `candidate_axis_0` holds the first coordinate of all candidates, and so on: one number for each
    candidate, as in the other columns of candidates. Arguments as of `CandidatePoints`.
    """

    def _column_names(self, dim: int) -> list[str]:
        return [f"{AXIS}{axis}" for axis in range(dim)]

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, d K)."""
        points = self._tokens.points(outputs.candidates)  # (N, K, d)
        return points.swapaxes(1, 2).reshape(len(points), -1)


class TurnsLeft:
    """Share of the turns that is left, in [0, 1].

    Args:
        max_turns: Most turns in an episode.
    """

    def __init__(self, max_turns: int) -> None:
        self._max_turns = max_turns
        self.columns: Mapping[str, Bounds] = {"turns_left": (np.zeros(1), np.ones(1))}

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 1)."""
        return 1.0 - episodes.steps[:, None] / np.float32(self._max_turns)


class BudgetLeft:
    """Share of the token budget that is left, in [0, 1]."""

    def __init__(self) -> None:
        self.columns: Mapping[str, Bounds] = {"budget_left": (np.zeros(1), np.ones(1))}

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 1)."""
        return 1.0 - episodes.counts[:, None] / np.float32(episodes.tokens.shape[1])


def repeat_lengths(candidates: np.ndarray, episodes: EpisodeBuffer) -> np.ndarray:
    """Returns the longest n-gram, n <= 2, that each candidate would repeat, (N, K) int8.

    0: the token is new in the completion; 1: it was written before; 2: it was written before after
    the same token.
    """
    tokens, lengths = episodes.tokens, episodes.counts  # (N, T), (N,)
    is_written = np.arange(tokens.shape[1]) < lengths[:, None]
    written = rows_last(np.where(is_written, tokens, -1))
    is_same = written[:, None] == rows_last(candidates)  # (T, K, N)
    last = np.take_along_axis(tokens, np.maximum(lengths - 1, 0)[:, None], 1)
    is_last = np.ascontiguousarray((tokens[:, :-1] == last).T)  # (T - 1, N)
    follows_last = np.logical_or.reduce(is_same[1:] & is_last[:, None], 0)
    return (np.logical_or.reduce(is_same, 0).astype(np.int8) + follows_last).T


def is_in_prompt(candidates: np.ndarray, episodes: EpisodeBuffer) -> np.ndarray:
    """Returns whether each candidate (N, K) is a token of its row's prompt, (N, K) bool."""
    width = int(episodes.prompt_lengths.max())
    is_prompt = np.arange(width) < episodes.prompt_lengths[:, None]  # (N, P)
    tokens = rows_last(np.where(is_prompt, episodes.contexts[:, :width], -1))
    return np.logical_or.reduce(tokens[:, None] == rows_last(candidates), 0).T
