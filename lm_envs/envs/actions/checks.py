"""Checks of actions that a caller gives for N rows."""

import numpy as np

ROUNDING = 1e-5
"""Points outside the space by less are clipped: wrappers such as `RescaleAction` round so."""


def check_discrete(actions: np.ndarray, active: np.ndarray, count: int, meaning: str) -> np.ndarray:
    """Returns actions (N,) int64, 0 where a row is not active.

    Args:
        actions: (N,) integers, as the caller gave them.
        active: (N,) bool; the actions of other rows are ignored.
        count: Number of actions.
        meaning: What an action is, for the error message.

    Raises:
        ValueError: If the actions are not N integers, or an active row has one outside
            0 .. count - 1.
    """
    actions = np.asarray(actions)
    if actions.shape != active.shape or not np.issubdtype(actions.dtype, np.integer):
        raise ValueError(
            f"Got actions of shape {actions.shape} and type {actions.dtype}; "
            f"allowed: {len(active)} whole numbers, one per row."
        )
    is_bad = active & ((actions < 0) | (actions >= count))
    if is_bad.any():
        row = int(is_bad.argmax())
        raise ValueError(
            f"Got action {actions[row]} in row {row}; allowed: 0 to {count - 1}, {meaning}."
        )
    return np.where(active, actions, 0).astype(np.int64)


def check_points(actions: np.ndarray, active: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns points (N, d) float32, 0 where a row is not active.

    Args:
        actions: (N, d) floats, as the caller gave them.
        active: (N,) bool; the points of other rows are ignored.
        shape: (d,), shape of one point.

    Raises:
        ValueError: If the actions are not N points, or an active row has one outside [-1, 1] by
            more than `ROUNDING`.
    """
    actions = np.asarray(actions)
    expected = (len(active), *shape)
    if actions.shape != expected or not np.issubdtype(actions.dtype, np.floating):
        raise ValueError(
            f"Got actions of shape {actions.shape} and type {actions.dtype}; allowed: floats "
            f"of shape {expected}, one point per row."
        )
    is_outside = ~(np.abs(actions) <= 1.0 + ROUNDING).all(1) & active  # NaN counts as outside
    if is_outside.any():
        row = int(is_outside.argmax())
        raise ValueError(
            f"Got action {actions[row]} in row {row}; allowed: -1 to 1 each. An unbounded policy "
            "needs gymnasium.wrappers.ClipAction."
        )
    return np.where(active[:, None], actions, 0.0).clip(-1.0, 1.0).astype(np.float32)
