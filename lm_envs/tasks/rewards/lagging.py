"""How far a simultaneous translation lags behind the speaker."""

import numpy as np


def average_lagging(heard: np.ndarray, num_source: int) -> float:
    """Average lagging in source words; 0 for an empty translation, negative where it runs ahead.

    How many words the translator was behind one who keeps pace with the speaker, averaged over the
    target tokens up to the first that was written when all the source had been heard. Waiting for k
    words before a target as long as the source gives k.

    Source: Ma et al. 2019, https://arxiv.org/abs/1810.08398 (equations 8 and 9).

    Args:
        heard: (T,) how many source words had been heard when each target token was written.
        num_source: Words in the source, 1 or more.
    """
    if not len(heard):
        return 0.0
    is_all = heard >= num_source
    size = int(is_all.argmax()) + 1 if is_all.any() else len(heard)
    pace = num_source / len(heard)  # source words a target token
    return float((heard[:size] - pace * np.arange(size)).mean())
