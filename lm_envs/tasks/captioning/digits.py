"""Handwritten digits of scikit-learn, as images with captions.

Source: Alpaydin and Kaynak 1998, https://archive.ics.uci.edu/dataset/80 (CC BY 4.0).
"""

from functools import lru_cache
from typing import Any

import numpy as np

from lm_envs.tasks.captioning.images import CHANNELS, CaptionedImage
from lm_envs.tasks.splits import split_of

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

HELD_OUT = 0.15
"""Share of the images in "validation", and also in "test", by a hash of their pixels."""

HIGHEST = 16.0
"""Gray values are 0 to 16."""


@lru_cache(16)
def digits(split: str, size: tuple[int, int]) -> tuple[CaptionedImage, ...]:
    """Returns the digits of a split, in a fixed order, enlarged from 8 x 8 pixels.

    Args:
        split: "train", "validation" or "test".
        size: Height and width, pixels.

    Raises:
        ValueError: If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise ValueError(
            "Got dataset='digits', whose images are part of scikit-learn; needs "
            "`pip install lm_envs[images]`. Allowed without it: 'embedded' or a file of yours."
        ) from None
    found: Any = load_digits()
    gray = (found.images * (255.0 / HIGHEST)).astype(np.uint8)
    names = [NAMES[label] for label in found.target]
    return tuple(
        CaptionedImage(_enlarged(each, size), (f"the number {name}", name))
        for each, name in zip(gray, names, strict=True)
        if split_of(each.tobytes().hex(), HELD_OUT) == split
    )


def _enlarged(gray: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns a gray image (8, 8) as (H, W, 3), each pixel repeated."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, gray.shape, strict=True))
    return np.repeat(gray[np.ix_(rows, columns)][:, :, None], CHANNELS, 2)
