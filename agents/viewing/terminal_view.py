"""Traces at the terminal: one step after the other in place, or as plain lines in a pipe.

Owns the layout; all of it fits 80 columns. Untrusted text comes sanitized from `wording`.
"""

import time
from collections.abc import Sequence

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agents.viewing import wording
from agents.viewing.trace import EpisodeTrace, Step
from lm_envs.rendering import printable, shares, token_style

BAR = 10
"""Characters of a full bar."""

BLOCKS = " ▏▎▍▌▋▊▉█"
PICTURE_WIDTH = 32
"""Characters of a line of the picture that the agent saw; each has two pixels."""


def play_back(
    traces: Sequence[EpisodeTrace], console: Console, title: str, speed: float = 2.0
) -> None:
    """Shows episodes; in a terminal each step takes the place of the one before.

    Args:
        traces: The episodes.
        console: Of `rich`. If it is no terminal, every step is printed once, without a pause.
        title: Above each episode.
        speed: Steps a second; 0 shows the end of each episode at once.
    """
    for number, trace in enumerate(traces, start=1):
        name = f"{title}: {wording.heading(trace, number, len(traces))}"
        console.print(Text(printable(name), style="bold"))
        if trace.transcript.image is not None:
            console.print(image_view(trace.transcript.image, console))
        if console.is_terminal and speed > 0:
            with Live(console=console, auto_refresh=False) as live:
                for place in range(len(trace.steps)):
                    live.update(step_view(trace, place), refresh=True)
                    time.sleep(1.0 / speed)
                live.update(Text(""), refresh=True)  # the whole episode follows
        console.print(episode_view(trace))
        console.print()


def step_view(trace: EpisodeTrace, place: int) -> RenderableType:
    """Returns the text so far, the candidates of a step, and its reward."""
    step = trace.steps[place]
    parts: list[RenderableType] = [text_view(trace, place), Text()]
    parts.append(Text(f"step {place + 1} of {len(trace.steps)}", style="bold"))
    if step.candidates:
        parts.append(candidate_table(trace, step))
    if step.settings:
        parts.append(Text(f"settings: {wording.settings_text(step.settings)}"))
    parts.append(Text(printable(wording.numbers_text(step))))
    if step.scores:
        parts.append(Text(printable(f"so far: {wording.scores_text(step.scores)}")))
    return Group(*parts)


def episode_view(trace: EpisodeTrace) -> RenderableType:
    """Returns the whole text of an episode, a line for each step, and the scores."""
    own = trace.transcript
    parts: list[RenderableType] = [text_view(trace, len(trace.steps) - 1)]
    if own.reference:
        reference = printable(" ".join(own.reference.split()))
        parts.append(Text(f"reference: {reference}", style="italic"))
    parts.append(_step_table(trace))
    scores = wording.scores_text({n: v for n, v in own.scores.items() if n != "reward"})
    parts.append(
        Text(printable(f"reward {wording.signed(trace.reward)} ({own.ending})   {scores}"))
    )
    return Group(*parts)


def image_view(image: np.ndarray, console: Console) -> Text:
    """Returns the picture (H, W, 3) uint8 that the agent saw, two pixels in a character.

    Without colors it would be a block of one color; a sentence names the way to see it.
    """
    if console.no_color or console.color_system is None:
        return Text("(a picture, which needs colors here; agents.enjoy --png FILE draws it)")
    height, width = image.shape[:2]
    lines = round(PICTURE_WIDTH * height / width / 2)
    rows = np.arange(2 * lines) * height // (2 * lines)
    pixels = image[rows][:, np.arange(PICTURE_WIDTH) * width // PICTURE_WIDTH].tolist()
    text = Text()
    for above, below in zip(pixels[::2], pixels[1::2], strict=True):
        for upper, lower in zip(above, below, strict=True):
            color, ground = (f"rgb({r},{g},{b})" for r, g, b in (upper, lower))
            text.append("▀", style=f"{color} on {ground}")
        text.append("\n")
    text.rstrip()
    return text


def text_view(trace: EpisodeTrace, last: int) -> Text:
    """Returns the prompt in italics and the text of the steps up to `last`, by their reward."""
    text = Text(wording.prompt_text(trace))
    text.stylize("italic")
    sizes = step_shares(trace)
    for place, step in enumerate(trace.steps[: last + 1]):
        text.append(wording.written_text(trace, place), style=token_style(sizes[place]))
        if step.reply:
            text.append(f"\n{printable(step.reply)}\n", style="italic")
    return text


def step_shares(trace: EpisodeTrace) -> list[float]:
    """Returns each step's reward as a share of the largest, as `lm_envs.rendering.shares`."""
    return shares(np.array([step.reward for step in trace.steps]))


def candidate_table(trace: EpisodeTrace, step: Step) -> Table:
    """Returns the candidates with the model's and the agent's preferences."""
    lines = wording.is_line(trace)
    table = Table(box=None, padding=(0, 1), show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("candidate", overflow="fold")
    if name := wording.model_heading(trace, step):
        table.add_column(name, justify="right")
        table.add_column("", no_wrap=True)
    if trace.kind is not None:
        table.add_column(wording.PREFERENCES[trace.kind], justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    for place, candidate in wording.shown_candidates(step):
        cells: list[RenderableType] = [Text(wording.mark(step, place))]
        cells.append(Text(wording.candidate_text(candidate, 30)))
        if name:
            cells.append(wording.model_text(candidate, is_line=lines))
            cells.append(bar(wording.model_share(candidate)))
        if trace.kind is not None:
            cells.append(wording.preference_text(candidate, trace.kind))
            cells.append(bar(wording.preference_share(step, candidate, trace.kind)))
        table.add_row(*cells, style="bold" if place == step.chosen else "")
    return table


def bar(share: float) -> Text:
    """Returns a bar of `BAR` characters for a share in [0, 1]."""
    eighths = round(min(max(share, 0.0), 1.0) * BAR * 8)
    full, rest = divmod(eighths, 8)
    return Text(("█" * full + (BLOCKS[rest] if rest else "")).ljust(BAR), style="blue")


def _step_table(trace: EpisodeTrace) -> Table:
    lines = wording.is_line(trace)
    table = Table(box=None, padding=(0, 1), show_edge=False)
    table.add_column("step", justify="right")
    table.add_column("chosen", overflow="fold")
    has_model = any(step.first >= 0 for step in trace.steps)
    if has_model:
        table.add_column(wording.LINE_MODEL if lines else "model", justify="right", max_width=8)
    if trace.kind is not None:
        table.add_column(wording.PREFERENCES[trace.kind], justify="right", no_wrap=True)
    table.add_column("reward", justify="right", no_wrap=True)
    if has_model:
        table.add_column("the model's first choice", overflow="fold")
    for number, step in enumerate(trace.steps, start=1):
        chosen = step.candidates[step.chosen] if step.chosen >= 0 else None
        name = wording.candidate_text(chosen, 44) if chosen else printable(step.action)
        cells = [str(number), Text(name)]
        if has_model:
            cells.append(wording.model_text(chosen, is_line=lines) if chosen else "")
        if trace.kind is not None:
            cells.append(wording.preference_text(chosen, trace.kind) if chosen else "")
        cells.append(wording.signed(step.reward))
        if has_model:
            first = step.candidates[step.first] if step.departs else None
            cells.append(Text(wording.candidate_text(first, 30) if first else ""))
        table.add_row(*cells)
    return table
