"""Rendered scenes and their captions: colored shapes, how many, and where they are to each other.

Scenes are a pure function of split and index. No combination of color and shape that occurs in one
split occurs in another one, so that a test scene cannot be recognized: its color was seen on other
shapes and its shape in other colors. Knows nothing of tokens or tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from lm_envs.tasks.captioning.images import Picture

KINDS = ("object", "count", "relation")
"""One object; two or three of one kind; two objects, one beside or above the other."""

COLORS: Mapping[str, tuple[int, int, int]] = {
    "red": (215, 35, 35),
    "white": (235, 235, 235),
    "blue": (60, 95, 235),
    "green": (45, 175, 70),
    "pink": (245, 130, 190),
    "gold": (225, 175, 40),
}
"""RGB of the colors; words that are one or two tokens of the embedded tokenizer."""

Mask = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Which points belong to a shape of radius 1 at the origin; y points down."""

SHAPES: Mapping[str, Mask] = {
    "circle": lambda x, y: x**2 + y**2 <= 1.0,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) <= 0.9,
    "cross": lambda x, y: (np.minimum(abs(x), abs(y)) <= 0.3) & (np.maximum(abs(x), abs(y)) <= 1),
    "ring": lambda x, y: (x**2 + y**2 <= 1.0) & (x**2 + y**2 >= 0.35),
    "triangle": lambda x, y: (y <= 0.85) & (2.0 * abs(x) <= y + 1.0),
}
PLURALS: Mapping[str, str] = {"cross": "crosses"}

COUNTS = ("two", "three")
RELATIONS: Mapping[str, str] = {"left of": "right of", "above": "below"}
"""Relations of the first object to the second one, and of the second one to the first."""

SIZES: Mapping[str, int] = {"train": 4000, "validation": 400, "test": 400}
"""Number of scenes in each split."""

UNIT = 36
"""Lengths in this module are in pixels of a picture of this height and width."""

SEED = 20261127


def combinations(split: str) -> list[tuple[str, str]]:
    """Returns the pairs of color and shape that scenes of a split are made of.

    Each shape is in one color in "test", in one other in "validation", and in four in "train".
    """
    offsets = {"test": (0,), "validation": (1,), "train": (2, 3, 4, 5)}[split]
    colors = list(COLORS)
    return [
        (colors[(number + offset) % len(colors)], shape)
        for number, shape in enumerate(SHAPES)
        for offset in offsets
    ]


@lru_cache(16)
def scenes(split: str, kind: str | None, size: tuple[int, int]) -> tuple[Picture, ...]:
    """Returns the scenes of a split, in a fixed order; their groups are their kinds.

    Args:
        split: "train", "validation" or "test".
        kind: One of `KINDS`; None for all.
        size: Height and width, pixels.
    """
    number = list(SIZES).index(split)
    found = []
    for index in range(SIZES[split]):
        rng = np.random.default_rng((SEED, number, index))
        found.append(_scene(rng, combinations(split), size))
    return tuple(scene for scene in found if kind in (None, scene.group))


def _scene(
    rng: np.random.Generator, pairs: Sequence[tuple[str, str]], size: tuple[int, int]
) -> Picture:
    kind = KINDS[rng.integers(len(KINDS))]
    image = _background(rng, size)
    first, second = (pairs[place] for place in rng.choice(len(pairs), 2, replace=False))
    if kind == "object":
        radius = rng.uniform(6.0, 10.0)
        _draw(rng, image, first, rng.uniform(radius, UNIT - radius, 2), radius)
        name = " ".join(first)
        return Picture(image, (f"a {name}", f"one {name}"), kind)
    if kind == "count":
        count = int(rng.integers(len(COUNTS)))
        radius = rng.uniform(4.5, 6.5)
        for cell in rng.choice(4, count + 2, replace=False):
            center = np.array([cell % 2, cell // 2]) * UNIT / 2 + UNIT / 4
            _draw(rng, image, first, center + rng.uniform(-2.0, 2.0, 2), radius)
        color, shape = first
        return Picture(image, (f"{COUNTS[count]} {color} {PLURALS.get(shape, shape + 's')}",), kind)
    relation = list(RELATIONS)[rng.integers(len(RELATIONS))]
    axis = 0 if relation == "left of" else 1
    for sign, pair in ((-1.0, first), (1.0, second)):
        center = np.full(2, UNIT / 2) + rng.uniform(-3.0, 3.0, 2)
        center[axis] = UNIT / 2 + sign * rng.uniform(8.0, 10.0)
        _draw(rng, image, pair, center, rng.uniform(5.0, 7.0))
    names = [f"a {color} {shape}" for color, shape in (first, second)]
    there, back = f" {relation} ", f" {RELATIONS[relation]} "
    return Picture(image, (there.join(names), back.join(names[::-1])), kind)


def _background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Returns a dark gray picture with noise."""
    noise = rng.integers(-8, 9, (*size, 3))
    return (rng.integers(20, 80) + noise).clip(0, 255).astype(np.uint8)


def _draw(
    rng: np.random.Generator,
    image: np.ndarray,
    pair: tuple[str, str],
    center: np.ndarray,
    radius: float,
) -> None:
    """Draws one object into a picture; the shade of its color is drawn anew."""
    color, shape = pair
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    x, y = x * UNIT / width - center[0], y * UNIT / height - center[1]
    inside = SHAPES[shape](x / radius, y / radius)
    shade = np.array(COLORS[color]) + rng.integers(-15, 16, 3)
    noise = rng.integers(-8, 9, (int(inside.sum()), 3))
    image[inside] = (shade + noise).clip(0, 255)
