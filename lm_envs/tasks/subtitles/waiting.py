"""How many shown words wait to be read, by a reader of constant speed. Pure; knows no texts."""

import numpy as np


def waiting_words(is_shown: np.ndarray, reading_speed: float) -> np.ndarray:
    """Returns how many shown words are not read yet after each spoken word, (..., T) float64.

    Each shown word joins a queue, from which up to `reading_speed` words are read while a word is
    spoken: after each word the queue is max(0, queue before + shown - read).

    Source: the recursion of waiting times in a queue, Lindley 1952,
    https://doi.org/10.1017/S0305004100027638, here in its closed form.

    Args:
        is_shown: (..., T) bool, which of the spoken words are shown.
        reading_speed: Words that are read while one is spoken, more than 0.
    """
    growth = np.cumsum(is_shown - reading_speed, axis=-1)
    return growth - np.minimum(np.minimum.accumulate(growth, axis=-1), 0.0)
