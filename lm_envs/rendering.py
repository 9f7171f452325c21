"""Pictures of a transcript: ANSI text, HTML or an RGB frame.

Owns colors and layout. Text of the model is untrusted: it is escaped, and control characters are
replaced. Knows nothing of models, tasks or environments.
"""

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lm_envs.fonts import typeface
from lm_envs.transcript import Transcript

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT = 640, 360
MARGIN, FONT_SIZE, LINE_HEIGHT = 16, 17, 25
COLUMNS = 80
"""Width of ANSI text, characters."""

BACKGROUND, GRAY, WHITE = (24, 26, 32), (150, 155, 168), (235, 235, 240)
LOSS, NEUTRAL, GAIN = (240, 96, 96), (215, 215, 220), (90, 210, 130)
ANSI_LOSS, ANSI_GAIN = (216, 56, 56), (0, 135, 62)
"""Colors of terminal text: contrast of 4.5 : 1 or more on white and on black alike."""

TINT = 0.45
"""Largest opacity of a token's background in HTML; text stays readable on light and dark pages."""

WEAKEST = 0.1
"""Shares of the largest reward below this have no color in a terminal."""

PICTURE = 160
"""Longer side of the agent's picture in a frame, pixels."""

LONGEST_CAPTION = 4
"""Lines of a frame that the caption may take."""

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner, which have no effect outside the word that holds them."""

Color = tuple[int, int, int]


class Piece(NamedTuple):
    """A part of a shown episode.

    Attributes:
        kind: The prompt, a token of the agent, or a line that answers a turn.
        text: Sanitized by `printable`.
        reward: Of the token; 0 for other kinds.
        share: Sign of the reward times the root of its share of the largest, in [-1, 1].
    """

    kind: Literal["prompt", "token", "reply"]
    text: str
    reward: float = 0.0
    share: float = 0.0


def pieces(transcript: Transcript) -> Iterator[Piece]:
    """Yields the prompt, and the written tokens with the replies between them."""
    yield Piece("prompt", printable(transcript.prompt))
    replies = list(transcript.replies)
    sizes = shares(transcript.rewards)
    tokens = zip(transcript.token_texts, transcript.rewards, sizes, strict=True)
    for position, (text, reward, share) in enumerate(tokens):
        while replies and replies[0].position <= position:
            yield Piece("reply", printable(replies.pop(0).text))
        yield Piece("token", printable(text), float(reward), share)
    for reply in replies:
        yield Piece("reply", printable(reply.text))


def shares(rewards: np.ndarray) -> list[float]:
    """Returns each reward (T,) as a share of the largest absolute one, in [-1, 1].

    Its root is taken, sign kept: where the first token earns most of the reward, the smaller
    rewards of the others can still be seen.
    """
    largest = max(np.abs(rewards).max(initial=0.0), 1e-9)
    return [float(np.sign(r) * (abs(r) / largest) ** 0.5) for r in rewards]


def printable(text: str, *, keep_lines: bool = False) -> str:
    """Returns text without control and format characters, such as escape codes or bidi marks.

    Each is replaced by U+FFFD, a line end by a blank. The two joiners are kept: emoji, Persian and
    Hindi need them.

    Args:
        text: Untrusted.
        keep_lines: Whether line ends stay.
    """
    kept = JOINERS + ("\n" if keep_lines else "")
    text = text if keep_lines else text.replace("\n", " ")
    return "".join("\ufffd" if _is_control(c) and c not in kept else c for c in text)


def text_with_replies(transcript: Transcript) -> str:
    """Returns the written text; what answered its turns stands between them in brackets."""
    if not transcript.replies:
        return transcript.text
    shown = [piece for piece in pieces(transcript) if piece.kind != "prompt"]
    return "".join(f" [{p.text}]" if p.kind == "reply" else p.text for p in shown)


def ansi(transcript: Transcript, *, color: bool = True, width: int = COLUMNS) -> str:
    """Returns terminal text: the prompt in italics, tokens in red (cost, underlined) or green.

    Args:
        transcript: The episode.
        color: Whether to write escape codes; `has_color` tells whether a stream shows them.
        width: Characters of a line.
    """
    from rich.console import Console
    from rich.text import Text

    text = Text()
    for piece in pieces(transcript):
        if piece.kind == "token":
            text.append(piece.text, style=token_style(piece.share))
        else:
            line_end = "\n" if piece.kind == "reply" else ""
            text.append(f"{line_end}{piece.text}{line_end}", style="italic")
    text.append(f"\n{printable(caption(transcript))}", style="bold")
    system = "truecolor" if color else None
    console = Console(force_terminal=color, color_system=system, width=width, no_color=not color)
    with console.capture() as capture:
        console.print(text)
    return capture.get()


def token_style(share: float) -> str:
    """Returns the style of `rich` for a token by its share of the largest reward, in [-1, 1]."""
    if abs(share) < WEAKEST:
        return ""
    style = "rgb({},{},{})".format(*(ANSI_GAIN if share > 0 else ANSI_LOSS))
    return f"{style}{' underline' if share < 0 else ''}{' bold' if abs(share) > 0.5 else ''}"


def has_color() -> bool:
    """Returns whether standard output shows colors: a terminal, and no NO_COLOR or TERM=dumb."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    return console.is_terminal and console.color_system is not None and not console.no_color


def html(transcript: Transcript) -> str:
    """Returns a `<figure>` for any page: the prompt dim, each token on red (cost) or green (gain).

    The tooltip of a token is its reward. Costs are also underlined, because not every reader can
    distinguish the colors. All text is escaped; there are no scripts and no links. The text has the
    color of the page, so that it can be read on light and dark pages.
    """
    prompt = f'<span style="opacity:.65">{escape(printable(transcript.prompt))}</span>'
    note = escape(printable(caption(transcript)))
    style = "white-space:pre-wrap;overflow-wrap:anywhere"
    text = f'<p dir="auto" style="{style}">{prompt}{html_tokens(transcript)}</p>'
    return f'<figure class="transcript">{text}<figcaption>{note}</figcaption></figure>'


def html_tokens(transcript: Transcript) -> str:
    """Returns the written tokens as `<span>`s, colored as by `html`, and the replies to them."""
    shown = [piece for piece in pieces(transcript) if piece.kind != "prompt"]
    return "".join(map(_span, shown))


def rgb(transcript: Transcript) -> np.ndarray:
    """Returns a frame (360, 640, 3) uint8; of a long text it shows the last lines.

    A picture that the agent saw is at the right.
    Costs are underlined. Characters that no font has are boxes; see `lm_envs.fonts`.
    """
    from PIL import Image, ImageDraw

    image, layout = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND), FRAME_LAYOUT
    canvas = ImageDraw.Draw(image)
    if transcript.image is not None:
        shown = enlarged(transcript.image)
        image.paste(Image.fromarray(shown), (WIDTH - MARGIN - shown.shape[1], MARGIN))
        layout = layout._replace(width=WIDTH - shown.shape[1] - MARGIN)
    note = layout.wrap([Run(printable(caption(transcript)), WHITE)])[:LONGEST_CAPTION]
    text = layout.wrap(_runs(transcript))
    num_visible = (HEIGHT - 3 * MARGIN - len(note) * LINE_HEIGHT) // LINE_HEIGHT
    layout.draw(canvas, text[-num_visible:], MARGIN)
    layout.draw(canvas, note, HEIGHT - MARGIN - len(note) * LINE_HEIGHT)
    return np.asarray(image, np.uint8).copy()


def enlarged(image: np.ndarray) -> np.ndarray:
    """Returns a picture (H, W, 3) with sides of at most `PICTURE` pixels, each pixel repeated.

    A larger picture loses rows and columns.
    """
    share = PICTURE / max(image.shape[:2])
    rows, columns = (
        np.minimum(np.arange(round(side * share)) / share, side - 1).astype(int)
        for side in image.shape[:2]
    )
    return image[rows][:, columns]


def caption(transcript: Transcript) -> str:
    """Returns the total reward, the ending or the number of steps so far, and the other scores."""
    total = f"reward {transcript.rewards.sum():+.3f}"
    # Where an agent adjusts the model, there are no token ids, and each text describes one step.
    unit = "tokens" if len(transcript.prompt_tokens) else "steps"
    count = f"{len(transcript.token_texts)} {unit}"
    state = count if transcript.ending is None else transcript.ending
    scores = [f"{n} {value:.2f}" for n, value in transcript.scores.items() if n != "reward"]
    return "  ".join([total, state, *scores])


class Run(NamedTuple):
    """Text of one color in a picture; a line end breaks the line."""

    text: str
    color: Color
    is_underlined: bool = False


class Layout(NamedTuple):
    """How lines of text are placed in a picture, pixels.

    Attributes:
        width: Of the picture.
        margin: At the left and at the right.
        font_size: Of the fonts.
        line_height: From the top of one line to that of the next.
        underline: From the top of a line to the line under its text.
    """

    width: int
    margin: int
    font_size: int
    line_height: int
    underline: int

    def wrap(self, runs: Iterable[Run]) -> list[list[Run]]:
        """Returns lines of runs, broken at line ends, and before a word that would be too wide."""
        font, lines = typeface(self.font_size), [[]]
        x = 0.0
        for run in runs:
            for part in split_words(run.text):
                is_wide = x + font.width(part) > self.width - 2 * self.margin
                if part == "\n" or (is_wide and x > 0):
                    lines.append([])
                    x, part = 0.0, part.lstrip()
                lines[-1].append(run._replace(text=part))
                x += font.width(part)
        return lines

    def draw(self, canvas: "ImageDraw", lines: Sequence[Sequence[Run]], top: int) -> int:
        """Draws lines from `top` on; returns where the next one would be."""
        font = typeface(self.font_size)
        for line in lines:
            x = float(self.margin)
            for run in line:
                font.draw(canvas, (x, top), run.text, run.color)
                end, y = x + font.width(run.text), top + self.underline
                if run.is_underlined:
                    canvas.line([(x, y), (end, y)], run.color)
                x = end
            top += self.line_height
        return top


FRAME_LAYOUT = Layout(WIDTH, MARGIN, FONT_SIZE, LINE_HEIGHT, underline=FONT_SIZE + 2)


def _runs(transcript: Transcript) -> Iterator[Run]:
    for piece in pieces(transcript):
        if piece.kind == "token":
            yield Run(piece.text, _blend(piece.share), piece.share < -WEAKEST)
        elif piece.kind == "prompt":
            yield Run(piece.text, GRAY)
        else:
            yield from (Run("\n", GRAY), Run(piece.text, GRAY), Run("\n", GRAY))


def _span(piece: Piece) -> str:
    if piece.kind == "reply":
        return f'\n<span style="opacity:.65">{escape(piece.text)}</span>\n'
    return colored_span(piece.text, piece.reward, piece.share)


def colored_span(text: str, value: float, share: float) -> str:
    """Returns a `<span>` on green (gain), or on red and underlined (cost), with the value as title.

    Args:
        text: Sanitized by `printable`; it is escaped here.
        value: Of the text, such as its reward.
        share: Share of the largest value, in [-1, 1].
    """
    color = "rgba({},{},{},{:.2f})".format(*(GAIN if share > 0 else LOSS), TINT * abs(share))
    cost = ";text-decoration:underline dotted" if share < 0 else ""
    return f'<span style="background:{color}{cost}" title="{value:+.3f}">{escape(text)}</span>'


def _blend(share: float) -> Color:
    """Red at -1, neutral at 0, green at 1."""
    end = np.array(GAIN if share > 0 else LOSS)
    red, green, blue = (np.array(NEUTRAL) + abs(share) * (end - NEUTRAL)).astype(int).tolist()
    return red, green, blue


def _is_control(character: str) -> bool:
    # Zl and Zp are the line and paragraph separators, which end lines in some programs.
    category = unicodedata.category(character)
    return category[0] == "C" or category in ("Zl", "Zp")


def split_words(text: str) -> list[str]:
    """Pieces of the text that a line break may separate: words, and single wide characters."""
    parts = [""]
    for character in text:
        is_wide = unicodedata.east_asian_width(character) in "WF"
        if character in " \n" or is_wide or len(parts[-1]) >= 40:
            parts.append("")
        parts[-1] += character
    return [part for part in parts if part]
