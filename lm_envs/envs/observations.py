"""What the agent sees: an observation space, and the array that shows the model's state.

Knows nothing of tasks or rewards.
"""

import gymnasium as gym
import numpy as np

from lm_envs.model.engine import Outputs
from lm_envs.model.gpt2 import GPT2
from lm_envs.tasks.scores import Drafts

LOWEST_LOGPROB = -30.0
LONGEST_REPEAT = 2


class HiddenObservation:
    """The model's last hidden state, its candidates, and the share of the budget that is left.

    One float32 vector per row:

    | columns | meaning | range |
    |---|---|---|
    | 0 .. D - 1 | hidden state after the last norm | bounded by the norm's gain and bias |
    | D .. D + K - 1 | log-probability of each candidate, nats, clipped | [-30, 0] |
    | D + K .. D + 2 K - 1 | repeat: 0 a new word, 0.5 a word of this draft, 1 a repeated pair | |
    | D + 2 K | share of the token budget left | [0, 1] |

    Args:
        hidden_bound: (D,) largest magnitude of each hidden value.
        num_candidates: K.
    """

    def __init__(self, hidden_bound: np.ndarray, num_candidates: int) -> None:
        zeros, ones = np.zeros(num_candidates + 1), np.ones(num_candidates + 1)
        lowest = np.full(num_candidates, LOWEST_LOGPROB)
        low = np.concatenate([-hidden_bound, lowest, zeros])
        high = np.concatenate([hidden_bound, zeros[1:], ones])
        self.space = gym.spaces.Box(low.astype(np.float32), high.astype(np.float32))

    def encode(self, outputs: Outputs, drafts: Drafts) -> np.ndarray:
        """Observations (N, D + 2 K + 1) float32."""
        logprobs = outputs.logprobs.clip(LOWEST_LOGPROB, 0.0)
        repeats = repeat_lengths(outputs.candidates, drafts) / np.float32(LONGEST_REPEAT)
        left = 1.0 - drafts.lengths[:, None] / np.float32(drafts.budget)
        columns = (outputs.hidden, logprobs, repeats, left)
        return np.concatenate(columns, axis=1, dtype=np.float32, casting="same_kind")


OBSERVATIONS = ("hidden",)


def make_observation(spec: str, model: GPT2, num_candidates: int) -> HiddenObservation:
    """The observation of a spec, for a model and K candidates.

    Raises:
        ValueError: If the spec is unknown.
    """
    if spec not in OBSERVATIONS:
        raise ValueError(f"Got observation={spec!r}; allowed: {', '.join(OBSERVATIONS)}.")
    return HiddenObservation(model.hidden_bound.cpu().numpy(), num_candidates)


def repeat_lengths(candidates: np.ndarray, drafts: Drafts) -> np.ndarray:
    """Longest n-gram, n <= 2, that each candidate would repeat in its draft: (N, K) int8.

    0: the word is new; 1: the word was written before; 2: it was written after the same word.
    """
    tokens, lengths = drafts.tokens, drafts.lengths  # (N, T), (N,)
    is_written = drafts.is_written[:, :, None]
    is_same = (tokens[:, :, None] == candidates[:, None, :]) & is_written  # (N, T, K)
    last = np.take_along_axis(tokens, np.maximum(lengths - 1, 0)[:, None], 1)
    follows_last = is_same[:, 1:] & (tokens[:, :-1] == last)[:, :, None]
    return is_same.any(1).astype(np.int8) + follows_last.any(1)
