"""Pictures of a transcript: ANSI text, HTML or an RGB frame. Pure; model text commands nothing."""

import unicodedata
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from lm_envs.transcript import Transcript

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

WIDTH, HEIGHT = 640, 360
MARGIN, FONT_SIZE, LINE_HEIGHT = 16, 17, 25
BACKGROUND, GRAY, WHITE = (24, 26, 32), (130, 135, 148), (235, 235, 240)
LOSS, NEUTRAL, GAIN = (240, 96, 96), (215, 215, 220), (90, 210, 130)
TINT = 0.45
"""Most of the background of a word in HTML; the ink above stays legible in light and dark."""

Color = tuple[int, int, int]


def ansi(transcript: Transcript) -> str:
    """Coloured terminal text: the prompt dim, each word from red (cost) to green (gain)."""
    from rich.console import Console
    from rich.text import Text

    text = Text(_printable(transcript.prompt), style="dim")
    for word, color in zip(transcript.token_texts, _colors(transcript), strict=True):
        text.append(_printable(word), style="rgb({},{},{})".format(*color))
    text.append(f"\n{_caption(transcript)}", style="bold")
    console = Console(force_terminal=True, color_system="truecolor", width=100)
    with console.capture() as capture:
        console.print(text)
    return capture.get()


def html(transcript: Transcript) -> str:
    """A `<figure>` for any page: the prompt dim, each word on red (cost) or green (gain).

    The reward of a word is its tooltip, and a cost is underlined too. All text is escaped; there is
    no script and no link. The ink is that of the page, light or dark.
    """
    prompt = f'<span style="opacity:.65">{escape(_printable(transcript.prompt))}</span>'
    caption = escape(_printable(_caption(transcript)))
    style = "white-space:pre-wrap;overflow-wrap:anywhere"
    text = f'<p dir="auto" style="{style}">{prompt}{html_words(transcript)}</p>'
    return f'<figure class="transcript">{text}<figcaption>{caption}</figcaption></figure>'


def html_words(transcript: Transcript) -> str:
    """The written words alone as `<span>`s, colored as by `html`."""
    largest = _largest(transcript)
    words = zip(transcript.token_texts, transcript.rewards, strict=True)
    return "".join(_span(word, reward, reward / largest) for word, reward in words)


def rgb(transcript: Transcript) -> np.ndarray:
    """A frame (360, 640, 3) uint8; the last lines of a long text."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE)
    pieces = [(_printable(transcript.prompt), GRAY)]
    words = map(_printable, transcript.token_texts)
    pieces += zip(words, _colors(transcript), strict=True)
    visible = (HEIGHT - 3 * MARGIN - LINE_HEIGHT) // LINE_HEIGHT
    for number, line in enumerate(_wrap(pieces, font)[-visible:]):
        x = float(MARGIN)
        for text, color in line:
            canvas.text((x, MARGIN + number * LINE_HEIGHT), text, color, font)
            x += font.getlength(text)
    caption = _fit(_caption(transcript), font)
    canvas.text((MARGIN, HEIGHT - MARGIN - LINE_HEIGHT), caption, WHITE, font)
    return np.asarray(image, np.uint8).copy()


def _caption(transcript: Transcript) -> str:
    total = f"reward {transcript.rewards.sum():+.3f}"
    unit = "words" if len(transcript.prompt_tokens) else "steps"
    count = f"{len(transcript.token_texts)} {unit}"
    state = count if transcript.ending is None else transcript.ending
    scores = [f"{name} {value:.2f}" for name, value in transcript.scores.items()]
    return "  ".join([total, state, *scores])


def _colors(transcript: Transcript) -> list[Color]:
    """One color a word, symmetric about 0, full at the largest reward of the episode."""
    largest = _largest(transcript)
    return [_blend(reward / largest) for reward in transcript.rewards]


def _largest(transcript: Transcript) -> float:
    return float(max(np.abs(transcript.rewards).max(initial=0.0), 1e-9))


def _span(word: str, reward: float, share: float) -> str:
    color = "rgba({},{},{},{:.2f})".format(*(GAIN if share > 0 else LOSS), TINT * abs(share))
    cost = ";text-decoration:underline dotted" if share < 0 else ""
    style = f"background:{color}{cost}"
    return f'<span style="{style}" title="{reward:+.3f}">{escape(_printable(word))}</span>'


def _blend(share: float) -> Color:
    """Red at -1, neutral at 0, green at 1."""
    end = np.array(GAIN if share > 0 else LOSS)
    red, green, blue = (np.array(NEUTRAL) + abs(share) * (end - NEUTRAL)).astype(int).tolist()
    return red, green, blue


def _printable(text: str) -> str:
    """Text without characters that a terminal or a layout would obey."""
    text = text.replace("\n", " ")
    return "".join("\ufffd" if unicodedata.category(c)[0] == "C" else c for c in text)


def _wrap(
    pieces: list[tuple[str, Color]], font: "FreeTypeFont | ImageFont"
) -> list[list[tuple[str, Color]]]:
    """Lines of colored pieces, broken before a word that would pass the right margin."""
    lines: list[list[tuple[str, Color]]] = [[]]
    x = 0.0
    for text, color in pieces:
        for part in _split_words(text):
            size = font.getlength(part)
            if x + size > WIDTH - 2 * MARGIN and x > 0:
                lines.append([])
                x, part = 0.0, part.lstrip()
            lines[-1].append((part, color))
            x += font.getlength(part)
    return lines


def _split_words(text: str) -> list[str]:
    """The text in pieces that each begin at a space; long pieces are cut."""
    parts = text.replace(" ", "\n ").split("\n")
    return [part[at : at + 40] for part in parts for at in range(0, len(part), 40)]


def _fit(text: str, font: "FreeTypeFont | ImageFont") -> str:
    while font.getlength(text) > WIDTH - 2 * MARGIN:
        text = text[:-2]
    return text
