"""Builds `Completions` for tests of scores."""

import numpy as np

from lm_envs.tasks.rewards.completions import Completions

BUDGET = 9


def make_completions(tokens, logprobs=None, references=None, garbage=7):
    """Completions from lists, with garbage past each row's end."""
    logprobs = logprobs or [[-1.0] * len(row) for row in tokens]
    references = references or [[] for _ in tokens]

    def padded(lists, fill):
        return np.array([[*row, *[fill] * (BUDGET - len(row))] for row in lists])

    return Completions(
        padded(tokens, garbage),
        np.array([len(row) for row in tokens]),
        padded(logprobs, -999.0 if garbage else 0.0).astype(float),
        padded(references, garbage),
        np.array([len(row) for row in references]),
        BUDGET,
    )
