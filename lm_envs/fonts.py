"""Text drawn on an image, each character by the first font that has it.

Owns the search for fonts. Pillow's own font has no Chinese, Cyrillic or Arabic letters: what it
lacks is drawn by the font file in the environment variable LM_ENVS_FONT, or by a system's font.
"""

import os
import warnings
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as BitmapFont

    Font = FreeTypeFont | BitmapFont

FONT_VARIABLE = "LM_ENVS_FONT"

SYSTEM_FONTS = (
    # Number 2 in Noto's collection has the Chinese forms of the characters.
    ("NotoSansCJK-Regular.ttc", 2),
    *((name, 0) for name in ("NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf")),
    *((name, 0) for name in ("wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf")),
    *((name, 0) for name in ("PingFang.ttc", "STHeiti Medium.ttc", "msyh.ttc", "simsun.ttc")),
    *((name, 0) for name in ("Arial Unicode.ttf", "NotoSans-Regular.ttf", "DejaVuSans.ttf")),
)
"""Files of common systems and their number in a collection; Pillow looks for them by name."""

UNASSIGNED = "\U0010fffe"
"""A code point that no font has: what a font draws for it is its sign for a missing character."""


class MissingGlyphWarning(RuntimeWarning):
    """No font of this machine has some characters, so that frames show boxes in their place."""


class Typeface:
    """Fonts of one size, tried in order for each character.

    Args:
        size: Pixels.
    """

    def __init__(self, size: int) -> None:
        from PIL import ImageFont

        self._fonts: list[Font] = [ImageFont.load_default(size)]
        self._size, self._searched = size, False
        self._choices: dict[str, Font] = {}

    def width(self, text: str) -> float:
        """Returns the width of a text, pixels."""
        return sum(font.getlength(part) for font, part in self._runs(text))

    def draw(
        self, canvas: "ImageDraw", place: tuple[float, float], text: str, color: tuple[int, ...]
    ) -> None:
        """Draws a text; `place` is its left end and the top of the line, pixels."""
        x, y = place
        baseline = y + 0.8 * self._size  # shared by all fonts, whose ascents differ
        for font, part in self._runs(text):
            canvas.text((x, baseline), part, color, font, anchor="ls")
            x += font.getlength(part)

    def _runs(self, text: str) -> Iterator[tuple["Font", str]]:
        for font, characters in groupby(text, self._font_for):
            yield font, "".join(characters)

    def _font_for(self, character: str) -> "Font":
        if character not in self._choices:
            self._choices[character] = self._first_with(character)
        return self._choices[character]

    def _first_with(self, character: str) -> "Font":
        if _has(self._fonts[0], character):
            return self._fonts[0]
        if not self._searched:  # at the first missing character only: the search reads folders
            self._fonts += _further_fonts(self._size)
            self._searched = True
        for font in self._fonts[1:]:
            if _has(font, character):
                return font
        warn_of_boxes()
        return self._fonts[0]


@lru_cache(maxsize=8)
def typeface(size: int) -> Typeface:
    """Returns the fonts of a size, which are searched once."""
    return Typeface(size)


def _has(font: "Font", character: str) -> bool:
    return character.isspace() or _glyph(font, character) != _glyph(font, UNASSIGNED)


def _glyph(font: "Font", character: str) -> bytes:
    from PIL import Image, ImageDraw

    left, top, right, bottom = (int(each) for each in font.getbbox(character))
    image = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(image).text((-left, -top), character, 255, font)
    return str(image.size).encode() + image.tobytes()


def _further_fonts(size: int) -> list["Font"]:
    from PIL import ImageFont

    fonts: list[Font] = []
    if path := os.environ.get(FONT_VARIABLE):
        try:
            fonts.append(ImageFont.truetype(path, size))
        except OSError:
            raise ValueError(
                f"Got {FONT_VARIABLE}={path!r}; allowed: a TrueType or OpenType font file."
            ) from None
    for name, number in SYSTEM_FONTS:
        try:
            fonts.append(ImageFont.truetype(name, size, number))
        except OSError:
            continue
    return fonts


@lru_cache(maxsize=1)
def warn_of_boxes() -> None:
    """Warns once in a process that no font has some characters."""
    warnings.warn(
        "No font has some characters of this text: frames show boxes in their place. Install a "
        f"font such as fonts-noto-cjk, or set {FONT_VARIABLE} to a font file.",
        MissingGlyphWarning,
        stacklevel=2,
    )
