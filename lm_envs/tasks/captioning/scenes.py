"""Rendered scenes and their captions: colored shapes, how many, and where they are to each other.

Scenes are a pure function of split and index, held out by combination: what a test scene shows,
number, color and shape of its objects and their relation, is in no training scene; or, harder, no
pair of color and shape of a test scene is in any training scene. Knows nothing of tokens or tasks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from lm_envs.tasks.captioning.images import CaptionedImage
from lm_envs.tasks.splits import split_of

KINDS = ("object", "count", "relation")
"""One object; two or three of one kind; two objects, one beside or above the other."""

HELD_OUT = ("caption", "pair")
"""What a test scene shares with no training scene: its caption, or each pair of color and shape."""

SHARE = 0.15
"""Share of all captions in "validation", and also in "test"; the scenes are drawn from these."""

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
"""Lengths in this module are in pixels of an image of this height and width."""

SEED = 20261127


def pairs(split: str) -> list[tuple[str, str]]:
    """Returns the pairs of color and shape in the scenes of a split, if pairs are held out.

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
def scenes(
    split: str, kind: str | None, held_out: str, size: tuple[int, int]
) -> tuple[CaptionedImage, ...]:
    """Returns the scenes of a split, in a fixed order; their groups are their kinds.

    Args:
        split: "train", "validation" or "test".
        kind: One of `KINDS`; None for all.
        held_out: One of `HELD_OUT`.
        size: Height and width, pixels.
    """
    return tuple(
        CaptionedImage(_drawn(rng, content, size), content.captions, content.kind)
        for rng, content in _contents(split, kind, held_out)
    )


@lru_cache(16)
def first_captions(split: str, kind: str | None, held_out: str) -> tuple[str, ...]:
    """Returns the first caption of each scene; drawing the images would take four times as long.

    Args:
        split: As in `scenes`.
        kind: As in `scenes`.
        held_out: As in `scenes`.
    """
    return tuple(content.captions[0] for _, content in _contents(split, kind, held_out))


class _Content(NamedTuple):
    """What a scene shows: its objects, each a color and a shape."""

    kind: str
    objects: tuple[tuple[str, str], ...]
    relation: str
    captions: tuple[str, ...]


def _contents(
    split: str, kind: str | None, held_out: str
) -> Iterator[tuple[np.random.Generator, _Content]]:
    """Yields what each scene of a split shows, and the generator that draws its image."""
    number = list(SIZES).index(split)
    allowed = pairs(split) if held_out == "pair" else list(product(COLORS, SHAPES))
    for index in range(SIZES[split]):
        rng = np.random.default_rng((SEED, number, index))
        content = _content(rng, allowed)
        while held_out == "caption" and split_of(content.captions[0], SHARE) != split:
            content = _content(rng, allowed)
        if kind in (None, content.kind):
            yield rng, content


def _content(rng: np.random.Generator, allowed: Sequence[tuple[str, str]]) -> _Content:
    """Draws what a scene shows, from the allowed pairs of color and shape."""
    kind = KINDS[rng.integers(len(KINDS))]
    first, second = (allowed[place] for place in rng.choice(len(allowed), 2, replace=False))
    if kind == "object":
        name = " ".join(first)
        return _Content(kind, (first,), "", (f"a {name}", f"one {name}"))
    if kind == "count":
        count = int(rng.integers(len(COUNTS)))
        color, shape = first
        caption = f"{COUNTS[count]} {color} {PLURALS.get(shape, shape + 's')}"
        return _Content(kind, (first,) * (count + 2), "", (caption,))
    relation = list(RELATIONS)[rng.integers(len(RELATIONS))]
    names = [f"a {color} {shape}" for color, shape in (first, second)]
    there, back = f" {relation} ", f" {RELATIONS[relation]} "
    captions = there.join(names), back.join(names[::-1])
    return _Content(kind, (first, second), relation, captions)


def _drawn(rng: np.random.Generator, content: _Content, size: tuple[int, int]) -> np.ndarray:
    """Returns the image of a scene; places, sizes, shades and noise are drawn."""
    image, objects = _background(rng, size), content.objects
    if content.kind == "object":
        radius = rng.uniform(6.0, 10.0)
        _draw(rng, image, objects[0], rng.uniform(radius, UNIT - radius, 2), radius)
    elif content.kind == "count":
        radius = rng.uniform(4.5, 6.5)
        for pair, cell in zip(objects, rng.choice(4, len(objects), replace=False), strict=True):
            center = np.array([cell % 2, cell // 2]) * UNIT / 2 + UNIT / 4
            _draw(rng, image, pair, center + rng.uniform(-2.0, 2.0, 2), radius)
    else:
        axis = 0 if content.relation == "left of" else 1
        for sign, pair in zip((-1.0, 1.0), objects, strict=True):
            center = np.full(2, UNIT / 2) + rng.uniform(-3.0, 3.0, 2)
            center[axis] = UNIT / 2 + sign * rng.uniform(8.0, 10.0)
            _draw(rng, image, pair, center, rng.uniform(5.0, 7.0))
    return image


def _background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Returns a dark gray image with noise."""
    noise = rng.integers(-8, 9, (*size, 3))
    return (rng.integers(20, 80) + noise).clip(0, 255).astype(np.uint8)


def _draw(
    rng: np.random.Generator,
    image: np.ndarray,
    pair: tuple[str, str],
    center: np.ndarray,
    radius: float,
) -> None:
    """Draws one object into an image; the shade of its color is drawn anew."""
    color, shape = pair
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    x, y = x * UNIT / width - center[0], y * UNIT / height - center[1]
    inside = SHAPES[shape](x / radius, y / radius)
    shade = np.array(COLORS[color]) + rng.integers(-15, 16, 3)
    noise = rng.integers(-8, 9, (int(inside.sum()), 3))
    image[inside] = (shade + noise).clip(0, 255)
