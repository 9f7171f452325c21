"""What an engine returns for its rows, and how it is packed to leave the device in one copy."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Outputs:
    """The model's outputs after the last token of each row; new arrays that may be kept.

    Attributes:
        hidden: (N, D) float32 last hidden states.
        candidates: (N, K) int64 next tokens, the most likely first, ties by id. The engine's are
            the K most likely; the end token stands last where it is not among them. Other
            candidates come from `lm_envs.envs.actions.copying`.
        logprobs: (N, K) float32 log-probabilities of the candidates, nats.
        chosen: (N,) float32 log-probability that the last decoded token had; 0 after a prefill.
    """

    hidden: np.ndarray
    candidates: np.ndarray
    logprobs: np.ndarray
    chosen: np.ndarray


def packed_size(hidden_size: int, num_candidates: int) -> int:
    """S, numbers of a row: hidden state, log-probabilities, candidates, log Z, chosen."""
    return hidden_size + 2 * num_candidates + 2


def unpack(packed: np.ndarray, num_candidates: int) -> Outputs:
    """The outputs in an array (N, S) float32, which is kept."""
    end = packed.shape[1] - 2
    columns = (end - 2 * num_candidates, end - num_candidates, end)
    hidden, logprobs, candidates, rest = np.split(packed, columns, axis=1)
    return Outputs(hidden, candidates.astype(np.int64), logprobs, rest[:, -1])
