"""Pictures of a transcript: ANSI text, HTML or an RGB frame.

Owns colors and layout. Text of the model is untrusted: it is escaped, and control characters are
replaced. Knows nothing of models, tasks or environments.
"""

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
"""Largest opacity of a token's background in HTML; text stays readable on light and dark pages."""

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner, which have no effect outside the word that holds them."""

Color = tuple[int, int, int]


def ansi(transcript: Transcript) -> str:
    """Returns colored terminal text: the prompt dim, each token from red (cost) to green (gain)."""
    from rich.console import Console
    from rich.text import Text

    text = Text(_printable(transcript.prompt), style="dim")
    for token_text, color in zip(transcript.token_texts, _colors(transcript), strict=True):
        text.append(_printable(token_text), style="rgb({},{},{})".format(*color))
    text.append(f"\n{_caption(transcript)}", style="bold")
    console = Console(force_terminal=True, color_system="truecolor", width=100)
    with console.capture() as capture:
        console.print(text)
    return capture.get()


def html(transcript: Transcript) -> str:
    """Returns a `<figure>` for any page: the prompt dim, each token on red (cost) or green (gain).

    The tooltip of a token is its reward. Costs are also underlined, because not every reader can
    distinguish the colors. All text is escaped; there are no scripts and no links. The text has the
    color of the page, so that it can be read on light and dark pages.
    """
    prompt = f'<span style="opacity:.65">{escape(_printable(transcript.prompt))}</span>'
    caption = escape(_printable(_caption(transcript)))
    style = "white-space:pre-wrap;overflow-wrap:anywhere"
    text = f'<p dir="auto" style="{style}">{prompt}{html_tokens(transcript)}</p>'
    return f'<figure class="transcript">{text}<figcaption>{caption}</figcaption></figure>'


def html_tokens(transcript: Transcript) -> str:
    """Returns only the written tokens as `<span>`s, colored as by `html`."""
    largest = _largest_reward(transcript)
    tokens = zip(transcript.token_texts, transcript.rewards, strict=True)
    return "".join(_span(text, reward, reward / largest) for text, reward in tokens)


def rgb(transcript: Transcript) -> np.ndarray:
    """Returns a frame (360, 640, 3) uint8; of a long text it shows the last lines."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE)
    pieces = [(_printable(transcript.prompt), GRAY)]
    token_texts = map(_printable, transcript.token_texts)
    pieces += zip(token_texts, _colors(transcript), strict=True)
    num_visible = (HEIGHT - 3 * MARGIN - LINE_HEIGHT) // LINE_HEIGHT
    for number, line in enumerate(_wrap(pieces, font)[-num_visible:]):
        x = float(MARGIN)
        for text, color in line:
            canvas.text((x, MARGIN + number * LINE_HEIGHT), text, color, font)
            x += font.getlength(text)
    caption = _fit(_caption(transcript), font)
    canvas.text((MARGIN, HEIGHT - MARGIN - LINE_HEIGHT), caption, WHITE, font)
    return np.asarray(image, np.uint8).copy()


def _caption(transcript: Transcript) -> str:
    total = f"reward {transcript.rewards.sum():+.3f}"
    # Where an agent adjusts the model, there are no token ids, and each text describes one step.
    unit = "tokens" if len(transcript.prompt_tokens) else "steps"
    count = f"{len(transcript.token_texts)} {unit}"
    state = count if transcript.ending is None else transcript.ending
    scores = [f"{name} {value:.2f}" for name, value in transcript.scores.items()]
    return "  ".join([total, state, *scores])


def _colors(transcript: Transcript) -> list[Color]:
    """One color for each token: neutral at 0, full at the largest absolute reward."""
    largest = _largest_reward(transcript)
    return [_blend(reward / largest) for reward in transcript.rewards]


def _largest_reward(transcript: Transcript) -> float:
    """Largest absolute reward; positive even if all rewards are 0, because it is a divisor."""
    return float(max(np.abs(transcript.rewards).max(initial=0.0), 1e-9))


def _span(text: str, reward: float, share: float) -> str:
    color = "rgba({},{},{},{:.2f})".format(*(GAIN if share > 0 else LOSS), TINT * abs(share))
    cost = ";text-decoration:underline dotted" if share < 0 else ""
    style = f"background:{color}{cost}"
    return f'<span style="{style}" title="{reward:+.3f}">{escape(_printable(text))}</span>'


def _blend(share: float) -> Color:
    """Red at -1, neutral at 0, green at 1."""
    end = np.array(GAIN if share > 0 else LOSS)
    red, green, blue = (np.array(NEUTRAL) + abs(share) * (end - NEUTRAL)).astype(int).tolist()
    return red, green, blue


def _printable(text: str) -> str:
    """Text without control and format characters, such as escape codes or bidirectional marks.

    The two joiners are kept: emoji, Persian and Hindi need them.
    """
    text = text.replace("\n", " ")
    return "".join(
        "\ufffd" if unicodedata.category(c)[0] == "C" and c not in JOINERS else c for c in text
    )


def _wrap(
    pieces: list[tuple[str, Color]], font: "FreeTypeFont | ImageFont"
) -> list[list[tuple[str, Color]]]:
    """Lines of colored pieces, broken before a word that would cross the right margin."""
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
    """Pieces of the text, each starting at a space and at most 40 characters long."""
    parts = text.replace(" ", "\n ").split("\n")
    return [part[start : start + 40] for part in parts for start in range(0, len(part), 40)]


def _fit(text: str, font: "FreeTypeFont | ImageFont") -> str:
    """The longest beginning of a text that fits between the margins, up to two characters."""
    while font.getlength(text) > WIDTH - 2 * MARGIN:
        text = text[:-2]
    return text
