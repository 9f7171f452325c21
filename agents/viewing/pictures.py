"""Traces as pictures: a PNG of an episode, and a GIF of its steps.

Owns the layout. Drawn by Pillow, with the fonts of `lm_envs.fonts`; text is sanitized by `wording`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from agents.viewing import wording
from agents.viewing.terminal_view import step_shares
from agents.viewing.trace import EpisodeTrace, Step
from lm_envs.fonts import typeface
from lm_envs.rendering import PICTURE, WEAKEST, Layout, Run, enlarged, printable

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

WIDTH, MARGIN, SIZE, LINE = 960, 24, 18, 28
PAPER, INK, DIM, BLUE = (255, 255, 255), (29, 32, 40), (91, 98, 112), (70, 110, 190)
GAIN, LOSS = (0, 120, 55), (190, 30, 30)
"""Colors of text on white, with a contrast of 5 : 1 or more."""

BAR = 150
CANDIDATE, MODEL, AGENT = MARGIN + 24, 360, 660
"""Left edges of the columns of the candidates, pixels."""

LAYOUT = Layout(WIDTH, MARGIN, SIZE, LINE, underline=SIZE + 3)


def picture(trace: EpisodeTrace) -> bytes:
    """Returns a PNG: the text of an episode, and one of its steps.

    It is the step at which the agent departs most clearly from the model's first choice: its
    preference for its own choice exceeds that for the model's choice by the most. Without
    preferences, or if no step departs, it is the step of highest reward.
    """
    departing = [place for place, step in enumerate(trace.steps) if step.departs]
    places = departing or list(range(len(trace.steps)))
    place = max(places, key=lambda number: _interest(trace.steps[number]))
    file = BytesIO()
    _frame(trace, place, last=len(trace.steps) - 1).save(file, "PNG")
    return file.getvalue()


def _interest(step: Step) -> float:
    """Returns how clearly a step departs from the model's choice; else its reward."""
    if step.departs:
        own = step.candidates[step.chosen].preference
        other = step.candidates[step.first].preference
        if own is not None and other is not None:
            return own - other
    return step.reward


def image_png(image: np.ndarray) -> bytes:
    """Returns a PNG of a picture (H, W, 3) uint8 that the agent saw, enlarged."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(enlarged(image)).save(file, "PNG")
    return file.getvalue()


def animation(traces: Sequence[EpisodeTrace], speed: float) -> bytes:
    """Returns a GIF of all steps, `speed` a second; the last step of an episode stays longer."""
    frames, durations = [], []
    for trace in traces:
        frames += [_frame(trace, place, last=place) for place in range(len(trace.steps))]
        durations += [round(1000 / speed)] * (len(trace.steps) - 1) + [3000]
    height = max(frame.height for frame in frames)
    frames = [_padded(frame, height) for frame in frames]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return file.getvalue()


def _frame(trace: EpisodeTrace, place: int, last: int) -> Image:
    """Returns the text up to step `last`, and below it the candidates of step `place`."""
    from PIL import Image, ImageDraw

    step = trace.steps[place]
    lines = LAYOUT.wrap(_runs(trace, last))
    candidates = wording.shown_candidates(step)
    notes = [f"step {place + 1} of {len(trace.steps)}: {printable(wording.numbers_text(step))}"]
    if step.settings:
        notes.append(f"settings: {wording.settings_text(step.settings)}")
    is_whole = last == len(trace.steps) - 1
    scores = trace.transcript.scores if is_whole else step.scores
    when = "at the end" if is_whole else "so far"
    notes.append(printable(f"{when}: {wording.scores_text(scores)}"))
    wrapped = [line for note in notes for line in LAYOUT.wrap([Run(note, INK)])]
    table = len(candidates) + (1 if candidates else 0)
    shown = trace.transcript.image
    top = MARGIN if shown is None else MARGIN + PICTURE + LINE // 2
    height = top + MARGIN + (len(lines) + table + len(wrapped) + 2) * LINE
    image = Image.new("RGB", (WIDTH, height), PAPER)
    if shown is not None:
        image.paste(Image.fromarray(enlarged(shown)), (MARGIN, MARGIN))
    canvas, y = ImageDraw.Draw(image), top
    y = LAYOUT.draw(canvas, lines, y) + LINE
    y = LAYOUT.draw(canvas, wrapped, y) + LINE // 2
    if candidates:
        _draw_table(canvas, trace, step, y)
    return image


def _runs(trace: EpisodeTrace, last: int) -> Iterator[Run]:
    yield Run(wording.prompt_text(trace), DIM)
    sizes = step_shares(trace)
    for place, step in enumerate(trace.steps[: last + 1]):
        share = sizes[place]
        color = GAIN if share > WEAKEST else LOSS if share < -WEAKEST else INK
        yield Run(wording.written_text(trace, place), color, share < -WEAKEST)
        if step.reply:
            yield from (Run("\n", DIM), Run(printable(step.reply), DIM), Run("\n", DIM))


def _draw_table(canvas: ImageDraw, trace: EpisodeTrace, step: Step, y: int) -> None:
    font, lines = typeface(SIZE), wording.is_line(trace)
    font.draw(canvas, (CANDIDATE, y), "candidate", DIM)
    font.draw(canvas, (MODEL, y), wording.model_heading(trace, step), DIM)
    if trace.kind is not None:
        font.draw(canvas, (AGENT, y), wording.PREFERENCES[trace.kind], DIM)
    for place, candidate in wording.shown_candidates(step):
        y += LINE
        font.draw(canvas, (MARGIN, y), wording.mark(step, place), INK)
        font.draw(canvas, (CANDIDATE, y), wording.candidate_text(candidate, 34), INK)
        model = wording.model_text(candidate, is_line=lines)
        _draw_bar(canvas, MODEL, y, wording.model_share(candidate), model)
        if trace.kind is not None:
            share = wording.preference_share(step, candidate, trace.kind)
            shown = wording.preference_text(candidate, trace.kind)
            _draw_bar(canvas, AGENT, y, share, shown)


def _draw_bar(canvas: ImageDraw, x: int, y: int, share: float, label: str) -> None:
    end = x + max(1, round(BAR * min(max(share, 0.0), 1.0)))
    if label:
        canvas.rectangle([x, y + 4, end, y + SIZE], BLUE)
    typeface(SIZE).draw(canvas, (x + BAR + 8, y), label, INK)


def _padded(image: Image, height: int) -> Image:
    from PIL import Image as Images

    padded = Images.new("RGB", (WIDTH, height), PAPER)
    padded.paste(image, (0, 0))
    return padded
