"""What the agent does: an action space, and the token that each action writes.

Knows nothing of episodes or rewards.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.model.engine import Outputs

DEFAULT_K = 16


class TopKActions:
    """Action a writes the model's a-th best next word, 0 being the best; ties by token id.

    The end of text stands last where it is not among the best, so it can always be chosen.

    Args:
        k: Number of actions, 2 or more.
    """

    def __init__(self, k: int = DEFAULT_K) -> None:
        if isinstance(k, bool) or not isinstance(k, int) or k < 2:
            raise ValueError(f"Got k={k!r} for top_k actions; allowed: a whole number, 2 or more.")
        self.num_candidates = k
        self.space = gym.spaces.Discrete(k)

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions (N,) int64; 0 where `rows` is False, whose actions are ignored.

        Raises:
            ValueError: If they are not N whole numbers, or one of `rows` is outside 0 .. k - 1.
        """
        actions = np.asarray(actions)
        if actions.shape != rows.shape or not np.issubdtype(actions.dtype, np.integer):
            raise ValueError(
                f"Got actions of shape {actions.shape} and type {actions.dtype}; "
                f"allowed: {len(rows)} whole numbers, one per row."
            )
        is_bad = rows & ((actions < 0) | (actions >= self.num_candidates))
        if is_bad.any():
            row = int(is_bad.argmax())
            raise ValueError(
                f"Got action {actions[row]} in row {row}; allowed: 0 to {self.num_candidates - 1}, "
                "the ranks of the model's best next words."
            )
        return np.where(rows, actions, 0).astype(np.int64)

    def to_tokens(self, actions: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Tokens (N,) int64 that the actions (N,) write."""
        return np.take_along_axis(outputs.candidates, actions[:, None], 1)[:, 0]


ACTIONS = {"top_k": TopKActions}


def make_actions(spec: str | Mapping[str, Any], vocab_size: int) -> TopKActions:
    """The actions of a spec: a kind, or {"kind": kind, option: value, ...}.

    Raises:
        ValueError: If the kind or an option is unknown, or there are more actions than words.
    """
    options: dict[str, Any] = {"kind": spec} if isinstance(spec, str) else dict(spec)
    kind = options.pop("kind", None)
    if kind not in ACTIONS:
        raise ValueError(f"Got actions kind {kind!r}; allowed: {sorted(ACTIONS)}.")
    if unknown := set(options) - {"k"}:
        raise ValueError(f"Got unknown option {sorted(unknown)} for {kind!r} actions; allowed: k.")
    actions = ACTIONS[kind](**options)
    if actions.num_candidates > vocab_size:
        raise ValueError(
            f"Got k={actions.num_candidates} actions; allowed: up to the vocabulary, {vocab_size}."
        )
    return actions
