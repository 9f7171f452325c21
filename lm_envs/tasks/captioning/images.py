"""Images as arrays: files of a folder, and the check of an array that a caller gives.

Owns what an image must be: (H, W, 3) uint8. Knows nothing of captions, prompts or tokens.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lm_envs.validation import check_count, first_line

CHANNELS = 3
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
"""Formats that are read, by Pillow's names; some others of Pillow's start external programs."""

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
"""Pillow's modes of at most 8 bits a channel that become RGB without scaling or a color profile."""

LARGEST_SIDE = 8192
"""Pixels; a small file can hold an image that fills the memory."""


class CaptionedImage(NamedTuple):
    """An image and what can be written under it.

    Attributes:
        image: (H, W, 3) uint8.
        captions: All captions that are right; the first one is the reference.
        group: Of images with captions of the same form.
    """

    image: np.ndarray
    captions: tuple[str, ...]
    group: str = ""


def check_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """Returns height and width as a pair, or None if there is none.

    Raises:
        ValueError: If it is not two whole numbers.
    """
    if size is None:
        return None
    if len(size) != 2:
        raise ValueError(f"Got image_size={size!r}; allowed: [height, width], in pixels.")
    for side in size:
        check_count("image_size", side)
    height, width = size
    return int(height), int(width)


def checked_image(image: Any, shape: tuple[int, ...], what: str) -> np.ndarray:  # noqa: ANN401
    """Returns a copy of a caller's image.

    Args:
        image: The image.
        shape: That it must have.
        what: Name of the image, for error messages.

    Raises:
        ValueError: If it is no uint8 array of this shape.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != shape:
        found = type(image).__name__
        if isinstance(image, np.ndarray):
            found = f"{image.dtype} array of shape {image.shape}"
        raise ValueError(f"Got {what} as {found}; allowed: a uint8 array of shape {shape}.")
    return image.copy()


def read_image(folder: Path, name: str, size: tuple[int, int] | None, where: str) -> np.ndarray:
    """Returns the image in a file, (H, W, 3) uint8.

    Args:
        folder: Files outside it are refused, also by links.
        name: Path of the file below the folder.
        size: Height and width that it is resized to; None for its own.
        where: Line of the data that names the file, for error messages.

    Raises:
        ValueError: If the file is outside the folder, missing, broken, or no image of 8 bits.
    """
    try:
        path = (folder / name).resolve()
        is_file = path.is_file()
    except (OSError, ValueError) as error:  # names of thousands of letters, or with a null
        raise ValueError(f"Got image {name[:60]!r} at {where}: {first_line(error)}.") from None
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"Got image {name!r} at {where}; allowed: a file below {folder}.")
    if not is_file:
        raise ValueError(f"Got image {name!r} at {where}, but no such file in {folder}.")
    return _decoded(path, size, f"{name!r} at {where}")


def _decoded(path: Path, size: tuple[int, int] | None, what: str) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as file:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            mode, sides = file.mode, file.size
            if mode not in MODES or max(sides) > LARGEST_SIDE:
                raise ValueError(
                    f"Got image {what} of mode {mode} and {sides[0]} x {sides[1]} pixels; allowed: "
                    f"{', '.join(MODES)}, up to {LARGEST_SIDE} pixels a side. Save it as 8-bit RGB."
                )
            found = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise ValueError(
            f"Got an unreadable image {what} ({first_line(error)}); allowed: {', '.join(FORMATS)}."
        ) from None
    if size is not None:
        found = found.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(found, np.uint8).copy()
