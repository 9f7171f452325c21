"""What the agent does: an action space, and the token that each action writes.

Knows nothing of episodes or rewards.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from lm_envs.model.base import LanguageModel
from lm_envs.model.embeddings import TokenSpace
from lm_envs.model.engine import Engine, Outputs
from lm_envs.validation import check_choice, check_count, check_number, did_you_mean

DEFAULT_K = 16
DEFAULT_DIM = 8


class TokenActions(Protocol):
    """What an environment asks of actions that write one word each.

    Attributes:
        space: One row's action space.
        num_candidates: K, how many next words are looked at.
    """

    space: gym.Space[Any]
    num_candidates: int

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions of N rows as this kind keeps them; those outside `rows` (N,) bool are ignored.

        Raises:
            ValueError: If one of `rows` holds an action that is not in the space.
        """
        ...

    def to_tokens(self, actions: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Tokens (N,) int64 that the actions write."""
        ...

    def actions_for_ranks(self, ranks: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Actions of N rows that write the candidates of these ranks (N,), 0 the most likely."""
        ...

    def masks(self, engine: Engine) -> np.ndarray:
        """Which discrete actions are sensible now, (N, actions) bool."""
        ...

    def allowed(self, engine: Engine) -> np.ndarray:
        """Which of the candidates may be written now, (N, K) bool."""
        ...


class TopKActions:
    """Action a writes the model's a-th best next word, 0 being the best; ties by token id.

    The end of text stands last where it is not among the best, so it can always be chosen. With
    `copies`, words of the prompt are candidates too, though the model finds them less likely: those
    that a pointer points to most (`lm_envs.envs.actions.pointer`), for what has to be copied. Then all
    stand by likelihood, the end of text as well.

    Source of the pointer: See et al. 2017, https://arxiv.org/abs/1704.04368.

    Args:
        k: How many of the model's best, 2 or more.
        copies: How many words of the prompt beside them.
    """

    def __init__(self, k: int = DEFAULT_K, *, copies: int = 0) -> None:
        _check_k("top_k", k)
        check_count("copies", copies, least=0)
        self.num_candidates = k + copies
        self.copies = copies
        self.space: gym.Space[Any] = gym.spaces.Discrete(self.num_candidates)

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions (N,) int64; 0 where `rows` is False."""
        meaning = "the ranks of the candidates"
        return check_discrete(actions, rows, self.num_candidates, meaning)

    def to_tokens(self, actions: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Candidates of the ranks that the actions (N,) are."""
        return np.take_along_axis(outputs.candidates, actions[:, None], 1)[:, 0]

    def actions_for_ranks(self, ranks: np.ndarray, outputs: Outputs) -> np.ndarray:
        """The ranks themselves."""
        return ranks

    def masks(self, engine: Engine) -> np.ndarray:
        """Every rank is sensible."""
        return np.ones((engine.num_rows, self.num_candidates), bool)

    def allowed(self, engine: Engine) -> np.ndarray:
        """All of them: they are the actions."""
        return self.masks(engine)


class VocabularyActions:
    """Action a writes token a. For agents that mask, and for policies that are language models.

    Args:
        vocab_size: V.
        top_k: Words that `masks` allows: the k most likely; None for all.
        top_p: Words that `masks` allows: the fewest that hold this probability; None for all.
    """

    def __init__(
        self, vocab_size: int, *, top_k: int | None = None, top_p: float | None = None
    ) -> None:
        if top_k is not None:
            check_count("top_k", top_k)
        if top_p is not None:
            check_number("top_p", top_p)
        if top_p is not None and not 0.0 < top_p <= 1.0:
            raise ValueError(f"Got top_p={top_p!r} for actions; allowed: over 0, up to 1.")
        self.num_candidates = min(DEFAULT_K, vocab_size)
        self.space: gym.Space[Any] = gym.spaces.Discrete(vocab_size)
        self._size = vocab_size
        self._top_k, self._top_p = top_k, top_p

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions (N,) int64; 0 where `rows` is False."""
        return check_discrete(actions, rows, self._size, "token ids")

    def to_tokens(self, actions: np.ndarray, outputs: Outputs) -> np.ndarray:
        """The actions themselves."""
        return actions

    def actions_for_ranks(self, ranks: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Token ids of the candidates."""
        return np.take_along_axis(outputs.candidates, ranks[:, None], 1)[:, 0]

    def masks(self, engine: Engine) -> np.ndarray:
        """The words that `top_k` and `top_p` both allow, (N, V) bool; the end of text always is."""
        return engine.top_k_top_p_mask(self._top_k, self._top_p)

    def allowed(self, engine: Engine) -> np.ndarray:
        """Those that `masks` keeps."""
        return np.take_along_axis(self.masks(engine), engine.outputs.candidates, 1)


class EmbeddingActions:
    """An action is a point in the space of word embeddings; the nearest allowed word is written.

    The space is that of the leading principal components of the model's word embeddings, scaled so
    that most words lie in [-1, 1]. For agents with continuous actions.

    Args:
        model: Whose word embeddings are meant.
        dim: d, components of a point.
        top_k: Allowed are the model's k best next words and the end of text; None for all words.
    """

    def __init__(
        self, model: LanguageModel, *, dim: int = DEFAULT_DIM, top_k: int | None = DEFAULT_K
    ) -> None:
        check_count("dim", dim)
        if dim > model.config.hidden_size:
            raise ValueError(
                f"Got dim={dim} for embedding actions; allowed: up to the embedding size, "
                f"{model.config.hidden_size}."
            )
        if top_k is not None:
            _check_k("embedding", top_k)
        self.num_candidates = DEFAULT_K if top_k is None else top_k
        self.dim = dim
        self.space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (dim,), np.float32)
        self.words = TokenSpace(model, dim)
        self._is_limited = top_k is not None

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Points (N, d) float32; 0 where `rows` is False."""
        return check_points(actions, rows, self.dim)

    def to_tokens(self, actions: np.ndarray, outputs: Outputs) -> np.ndarray:
        """The nearest allowed words to the points (N, d)."""
        return self.words.nearest(actions, outputs.candidates if self._is_limited else None)

    def actions_for_ranks(self, ranks: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Points of the candidates, brought into the space."""
        words = np.take_along_axis(outputs.candidates, ranks[:, None], 1)[:, 0]
        return self.words.points(words).clip(-1.0, 1.0)

    def masks(self, engine: Engine) -> np.ndarray:
        """There are none: no action is out of place in a continuous space."""
        raise ValueError("Got action_masks() for embedding actions; allowed: discrete actions.")

    def allowed(self, engine: Engine) -> np.ndarray:
        """All of them: each has its point."""
        return np.ones((engine.num_rows, self.num_candidates), bool)


KINDS: dict[str, tuple[str, ...]] = {
    "top_k": ("k", "copies"),
    "vocabulary": ("top_k", "top_p"),
    "embedding": ("dim", "top_k"),
}
"""Every kind of word actions, and its options."""


def make_actions(kind: str, options: Mapping[str, Any], model: LanguageModel) -> TokenActions:
    """Word actions of a kind in `KINDS`, with its options.

    Raises:
        ValueError: If an option is out of range, or there are more actions than words.
    """
    if kind == "embedding":
        actions: TokenActions = EmbeddingActions(model, **options)
    elif kind == "vocabulary":
        actions = VocabularyActions(model.config.vocab_size, **options)
    else:
        actions = TopKActions(**options)
    if actions.num_candidates > model.config.vocab_size:
        raise ValueError(
            f"Got {kind} actions with {options}, {actions.num_candidates} candidates; allowed: up "
            f"to the vocabulary, {model.config.vocab_size}."
        )
    return actions


def read_spec(
    name: str, spec: str | Mapping[str, Any], kinds: Mapping[str, tuple[str, ...]]
) -> tuple[str, dict[str, Any]]:
    """Kind and options of a spec.

    Raises:
        ValueError: If the kind is not in `kinds`, or an option is not among the kind's.
    """
    options: dict[str, Any] = {"kind": spec} if isinstance(spec, str) else dict(spec)
    kind = options.pop("kind", None)
    check_choice(f"{name} kind", kind, kinds)
    for option in options:
        if option not in kinds[kind]:
            allowed = ", ".join(kinds[kind]) or "none"
            hint = did_you_mean(option, kinds[kind])
            raise ValueError(
                f"Got unknown option {option!r} of {name} {kind!r}; allowed: {allowed}.{hint}"
            )
    return kind, options


def check_discrete(actions: np.ndarray, rows: np.ndarray, count: int, meaning: str) -> np.ndarray:
    """Actions (N,) int64; 0 where `rows` is False, whose actions are ignored.

    Raises:
        ValueError: If they are not N whole numbers, or one of `rows` is outside 0 .. count - 1.
    """
    actions = np.asarray(actions)
    if actions.shape != rows.shape or not np.issubdtype(actions.dtype, np.integer):
        raise ValueError(
            f"Got actions of shape {actions.shape} and type {actions.dtype}; "
            f"allowed: {len(rows)} whole numbers, one per row."
        )
    is_bad = rows & ((actions < 0) | (actions >= count))
    if is_bad.any():
        row = int(is_bad.argmax())
        raise ValueError(
            f"Got action {actions[row]} in row {row}; allowed: 0 to {count - 1}, {meaning}."
        )
    return np.where(rows, actions, 0).astype(np.int64)


def check_points(actions: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Points (N, size) float32; 0 where `rows` is False, whose points are ignored.

    Raises:
        ValueError: If they are not N points, or one of `rows` holds one outside -1 to 1.
    """
    actions = np.asarray(actions)
    expected = (len(rows), size)
    if actions.shape != expected or not np.issubdtype(actions.dtype, np.floating):
        raise ValueError(
            f"Got actions of shape {actions.shape} and type {actions.dtype}; allowed: floats "
            f"of shape {expected}, one point per row."
        )
    is_outside = ~(np.abs(actions) <= 1.0).all(1) & rows  # NaN is outside
    if is_outside.any():
        row = int(is_outside.argmax())
        raise ValueError(f"Got action {actions[row]} in row {row}; allowed: -1 to 1 each.")
    return np.where(rows[:, None], actions, 0.0).astype(np.float32)


def _check_k(kind: str, k: object) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or k < 2:
        raise ValueError(f"Got k={k!r} for {kind} actions; allowed: a whole number, 2 or more.")
