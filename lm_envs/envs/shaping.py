"""Rewards as differences of potentials, for an agent with a discount.

Owns the formula. Knows nothing of what a potential measures.
"""

import numpy as np

from lm_envs.validation import check_number


def check_discount(gamma: object) -> float:
    """Returns a discount as a float.

    Raises:
        ValueError: If it is not a number over 0 and up to 1.
    """
    check_number("gamma", gamma)
    value = float(gamma)  # type: ignore[arg-type]  # checked
    if not 0.0 < value <= 1.0:
        raise ValueError(f"Got gamma={gamma!r}; allowed: over 0, up to 1, the agent's discount.")
    return value


def shaped_rewards(
    before: np.ndarray, after: np.ndarray, terminated: np.ndarray, gamma: float
) -> np.ndarray:
    """Computes the rewards (R,) of one step: gamma Phi(s') - Phi(s), Phi(s') - Phi(s) at the end.

    They are the potential of the finished text, paid at the end, and the shaping gamma Phi(s') -
    Phi(s) of Ng et al. with Phi = 0 after the end. So the best policy at the discount gamma is that
    of the reward which pays only at the end. A truncated row has not ended: the agent adds gamma
    times the value of its last state.

    Args:
        before: (R,) potentials before the step.
        after: (R,) potentials after it.
        terminated: (R,) bool, rows whose episode the step ended.
        gamma: The agent's discount.

    Source: Ng, Harada and Russell 1999, "Policy invariance under reward transformations".
    """
    return np.where(terminated, 1.0, gamma) * after - before
