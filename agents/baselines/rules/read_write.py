"""A rule for simultaneous translation: write while the model is confident, and read otherwise.

Knows nothing of rewards.
"""

import numpy as np

from agents.baselines.rules.tokens import LEAST
from agents.evaluation.baselines import Policy
from lm_envs.envs.actions.read_write import READ, WRITE, ReadWriteActions
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv

NAME = "write when confident"


def confident(least: float, lag: int, words_per_token: float = 0.0) -> Policy:
    """Returns the policy that writes where the model is confident, or has read `lag` words ahead.

    It reads if the likeliest token ends the text although source words are left, and wherever a
    word can be read without a larger differentiable lagging.

    Args:
        least: Lowest probability of the likeliest token that is written, in [0, 1].
        lag: Source words read beyond the target words written from which on it always writes.
        words_per_token: Source words that each target token is worth, by which the words that can
            be read without a larger lagging are counted; 0 for none.

    Source: waiting by confidence, Cho and Esipova 2016, https://arxiv.org/abs/1606.02012.
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        actions = env.actions
        assert isinstance(actions, ReadWriteActions)
        outputs = env.outputs
        is_end = np.isin(outputs.candidates[:, 0], actions.line_ends)
        is_sure = (outputs.logprobs[:, 0] >= np.log(max(least, LEAST))) & ~is_end
        num_read = actions.num_read
        is_ahead = num_read >= lag + actions.num_written
        is_free = actions.free_reads(words_per_token) >= 1
        is_due = (is_sure | is_ahead) & ~is_free
        return np.where(is_due | (num_read >= actions.num_source), WRITE, READ)

    return act
