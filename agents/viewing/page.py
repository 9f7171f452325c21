"""Traces as an HTML page, in the markup of `agents.evaluation.html`.

Owns the content. All untrusted text is sanitized by `wording` and escaped by `html`.
"""

from collections.abc import Sequence
from html import escape

from agents.evaluation.html import Html, heading, page, paragraph, picture, table
from agents.viewing import wording
from agents.viewing.pictures import image_png
from agents.viewing.terminal_view import step_shares
from agents.viewing.trace import EpisodeTrace, Step
from lm_envs.rendering import colored_span, printable

LEGEND = (
    "Text on green raised the reward; text on red and underlined lowered it. Below each episode: "
    "what could be chosen at each step, the model's probability of it, and the agent's preference. "
    "▶ marks the choice, * the model's first choice."
)


def traces_page(traces: Sequence[EpisodeTrace], title: str) -> str:
    """Returns one self-contained page of episodes."""
    parts = [paragraph(LEGEND)]
    for number, trace in enumerate(traces, start=1):
        parts.append(heading(wording.heading(trace, number, len(traces))))
        parts += episode_parts(trace)
    return page(printable(title), parts)


def episode_parts(trace: EpisodeTrace) -> list[Html]:
    """Returns an episode's text and scores, and a folded table of its steps."""
    own = trace.transcript
    scores = wording.scores_text({n: v for n, v in own.scores.items() if n != "reward"})
    parts = [colored_text(trace)]
    if own.image is not None:
        parts.insert(0, picture(image_png(own.image), "The picture that the agent saw"))
    if own.reference:
        parts.append(paragraph(f"Reference: {printable(own.reference)}"))
    parts.append(
        paragraph(printable(f"Reward {wording.signed(trace.reward)} ({own.ending}). {scores}"))
    )
    steps = "".join(part for place in range(len(trace.steps)) for part in step_parts(trace, place))
    parts.append(Html(f"<details><summary>{len(trace.steps)} steps</summary>{steps}</details>"))
    return parts


def colored_text(trace: EpisodeTrace) -> Html:
    """Returns the text of an episode, each step on the color of its reward."""
    spans = [f'<span class="dim">{escape(wording.prompt_text(trace))}</span>']
    sizes = step_shares(trace)
    for place, step in enumerate(trace.steps):
        written = wording.written_text(trace, place)
        spans.append(colored_span(written, step.reward, sizes[place]))
        if step.reply:
            spans.append(f'\n<span class="dim">{escape(printable(step.reply))}</span>\n')
    return Html(f'<p class="text" dir="auto">{"".join(spans)}</p>')


def candidates_table(trace: EpisodeTrace, step: Step) -> Html:
    """Returns the candidates of a step with the model's and the agent's preferences."""
    lines = wording.is_line(trace)
    name = wording.model_heading(trace, step)
    header = ["candidate", *([name] if name else [])]
    header += [wording.PREFERENCES[trace.kind]] if trace.kind else []
    rows = []
    for place, candidate in wording.shown_candidates(step):
        row = [f"{wording.mark(step, place)} {wording.candidate_text(candidate)}".strip()]
        if name:
            row.append(wording.model_text(candidate, is_line=lines))
        rows.append(row + ([wording.preference_text(candidate, trace.kind)] if trace.kind else []))
    return table(header, rows)


def step_parts(trace: EpisodeTrace, place: int) -> list[Html]:
    """Returns what could be done at a step, the settings that were made, and the reward."""
    step = trace.steps[place]
    parts = [heading(f"Step {place + 1}: {printable(step.action)}", 3)]
    if step.candidates:
        parts.append(candidates_table(trace, step))
    if step.settings:
        parts.append(paragraph(wording.settings_text(step.settings, most=99)))
    return [*parts, paragraph(printable(wording.numbers_text(step)))]
