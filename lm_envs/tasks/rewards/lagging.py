"""Latency of a simultaneous translation. Pure; knows nothing of texts or episodes."""

import numpy as np


def average_lagging(num_read: np.ndarray, num_source: int) -> float:
    """Average lagging, in source words; 0 for an empty translation, negative if it runs ahead.

    The number of source words by which the translator lags behind an ideal translator that keeps
    pace with the speaker. It is averaged over the target tokens up to the first one that was
    written after the whole source had been read. Waiting for k words before a target that is as
    long as the source gives k.

    Source: Ma et al. 2019, https://arxiv.org/abs/1810.08398 (equations 8 and 9).

    Args:
        num_read: (T,) number of source words that had been read when each target token was written.
        num_source: Number of words in the source, 1 or more.
    """
    if not len(num_read):
        return 0.0
    is_all = num_read >= num_source
    size = int(is_all.argmax()) + 1 if is_all.any() else len(num_read)
    words_per_token = num_source / len(num_read)
    return float((num_read[:size] - words_per_token * np.arange(size)).mean())


def differentiable_average_lagging(num_read: np.ndarray, num_source: int) -> float:
    """Differentiable average lagging, in source words; 0 for an empty translation, else 1 or more.

    Average lagging in which each target token takes time: time that was lost is not made up for by
    writing several tokens at once, and running ahead of the speaker is no gain. It is averaged over
    all target tokens. Waiting for k words before a target that is as long as the source gives k.

    Source: Cherry & Foster 2019, https://arxiv.org/abs/1906.00048.

    Args:
        num_read: (T,) number of source words that had been read when each target token was written;
            it never falls.
        num_source: Number of words in the source, 1 or more.
    """
    if not len(num_read):
        return 0.0
    ideal = num_source / len(num_read) * np.arange(len(num_read))
    return float(np.maximum.accumulate(num_read - ideal).mean())
