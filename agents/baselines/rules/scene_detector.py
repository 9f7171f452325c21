"""A hand-written description of a rendered scene: its colors, shapes, counts and relations.

It knows how `lm_envs.tasks.captioning.scenes` draws; no other images fit. What it knows of a
shape is the share of the shape's bounding box that it fills, and where.
"""

import numpy as np

from lm_envs.tasks.captioning.scenes import COLORS, COUNTS, PLURALS

SATURATED = 45.0
"""An object's pixels differ by so much from the background, in at least one channel."""

LEAST_PIXELS = 8
"""Smaller parts are noise, or the rim of an object."""

CORNER = 0.25
"""Share of a side of the bounding box whose squares count as its corners."""


def describe(image: np.ndarray) -> str:
    """Returns the caption of a scene (H, W, 3) uint8; of an image without objects an empty one."""
    found = _objects(image.astype(float))
    if not found:
        return ""
    names = [(color, shape) for color, shape, _ in found]
    if len(found) == 1:
        return f"a {' '.join(names[0])}"
    if len(set(names)) == 1 and 2 <= len(found) <= 1 + len(COUNTS):
        color, shape = names[0]
        return f"{COUNTS[len(found) - 2]} {color} {PLURALS.get(shape, shape + 's')}"
    (first, second) = found[:2]
    gap = second[2] - first[2]  # (2,) rows and columns
    relation = "above" if abs(gap[0]) > abs(gap[1]) else "left of"
    if gap[0 if relation == "above" else 1] < 0:
        first, second = second, first
    return f"a {first[0]} {first[1]} {relation} a {second[0]} {second[1]}"


def _objects(image: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """Returns color, shape and center (2,) of each object, the largest first."""
    from scipy.ndimage import find_objects, label  # here: every command loads this module

    background = np.median(image.reshape(-1, 3), 0)
    is_object = abs(image - background).max(2) > SATURATED
    parts: np.ndarray = label(is_object, np.ones((3, 3)))[0]  # type: ignore[index]  # a pair
    found = []
    for number, box in enumerate(find_objects(parts), start=1):
        mask = parts[box] == number
        if mask.sum() >= LEAST_PIXELS:
            color = _color(image[box][mask].mean(0))
            center = np.array([(side.start + side.stop) / 2 for side in box])
            found.append((int(mask.sum()), color, _shape(mask), center))
    found.sort(key=lambda each: -each[0])
    return [each[1:] for each in found]


def _color(mean: np.ndarray) -> str:
    return min(COLORS, key=lambda name: float(((np.array(COLORS[name]) - mean) ** 2).sum()))


def _shape(mask: np.ndarray) -> str:
    """Returns the shape of an object from its pixels within its bounding box (h, w)."""
    height, width = mask.shape
    rows, columns = max(1, round(CORNER * height)), max(1, round(CORNER * width))
    middle = mask[height // 2 - 1 : height // 2 + 1, width // 2 - 1 : width // 2 + 1].mean()
    top = mask[:rows, [*range(columns), *range(-columns, 0)]].mean()
    bottom = mask[-rows:, [*range(columns), *range(-columns, 0)]].mean()
    if middle < 0.5:
        return "ring"
    if top > 0.8:
        return "square"
    if bottom - top > 0.3:
        return "triangle"
    return "cross" if mask.mean() < 0.65 else "circle"
