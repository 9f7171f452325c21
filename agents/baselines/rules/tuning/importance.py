"""A rule for structure search: remove the parts whose loss alone is the least, up to a threshold.

Knows nothing of models.
"""

import numpy as np

from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.structure_search import STOP, StructureTuner


def least_important_first(least: float, growth: float) -> Policy:
    """Returns the policy that removes the part of the highest expected gain, then stops.

    The expected gain of a part is what its multiplications are worth less by how much the loss of
    the passages rises without it alone; parts are taken as if their rises added up. They seldom do,
    because parts replace each other: so each removal can raise the least gain of the next one.

    Args:
        least: Lowest expected gain of the first part that is removed, nats a token.
        growth: Added to it for each removed part, nats a token.

    Source: pruning by importance, Michel et al. 2019, https://arxiv.org/abs/1905.10650.
    """

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        assert isinstance(env.tuner, StructureTuner)
        gains = env.tuner.expected_gains()
        lowest = least + growth * env.steps  # each step so far has removed a part
        return np.where(gains.max(1) >= lowest, 1 + gains.argmax(1), STOP)

    return act


def has_probes(env: TuningVectorEnv) -> bool:
    """Returns whether the rows remove parts and observe what each part alone is worth."""
    return isinstance(env.tuner, StructureTuner) and env.tuner.has_probes
