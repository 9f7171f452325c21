"""Numbers and texts of a trace in words, the same for terminal, page and picture.

Owns the wording and which candidates are shown. Untrusted text leaves here sanitized, not escaped.
"""

from collections.abc import Mapping
from math import exp

from agents.evaluation.summary import rounded
from agents.viewing.trace import Candidate, EpisodeTrace, Kind, Step
from lm_envs.rendering import printable

MOST_SHOWN = 8
"""Candidates of a step that are shown: the agent's and the model's most preferred ones."""

LONGEST = 60
"""Characters of a candidate's text."""

LINE_MODEL = "model, nats a token"
"""Heading of the model's column where candidates are lines."""

PREFERENCES: Mapping[Kind, str] = {
    "probability": "agent",
    "value": "agent, Q-value",
    "score": "agent, score",
}
"""Headings of the agent's preferences."""


def shown_candidates(step: Step, most: int = MOST_SHOWN) -> list[tuple[int, Candidate]]:
    """Returns positions and candidates: the most preferred, the chosen and the model's first."""
    kept = {step.chosen, step.first} - {-1}
    preferred = sorted(range(len(step.candidates)), key=lambda place: _order(step, place))
    for place in preferred:
        if len(kept) >= most:
            break
        kept.add(place)
    by_model = [place for place in sorted(kept, key=lambda place: _model_order(step, place))]
    return [(place, step.candidates[place]) for place in by_model]


def candidate_text(candidate: Candidate, longest: int = LONGEST) -> str:
    """Returns what a candidate writes, with a visible blank at its beginning."""
    text = printable(candidate.text.replace("\n", "⏎"))
    text = f"␣{text[1:]}" if text.startswith(" ") else text
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def model_text(candidate: Candidate, *, is_line: bool) -> str:
    """Returns the model's probability in percent, or of a line the mean log-probability."""
    if candidate.model_logprob is None:
        return ""
    if is_line:
        return f"{candidate.model_logprob:.2f}"
    return percent(model_share(candidate))


def model_share(candidate: Candidate) -> float:
    """Returns the model's probability in [0, 1], of a line that of its mean token; 0 if unknown.

    In bfloat16 the log-probability of a certain token may be a little above 0.
    """
    return 0.0 if candidate.model_logprob is None else min(1.0, exp(candidate.model_logprob))


def preference_text(candidate: Candidate, kind: Kind | None) -> str:
    """Returns the agent's probability in percent, or its value."""
    if candidate.preference is None:
        return "" if candidate.is_allowed else "not now"
    if kind == "probability":
        return percent(candidate.preference)
    return signed(candidate.preference)


def preference_share(step: Step, candidate: Candidate, kind: Kind | None) -> float:
    """Returns the length of the bar of a preference, in [0, 1]: values are scaled to the step's."""
    if candidate.preference is None:
        return 0.0
    if kind == "probability":
        return candidate.preference
    known = [each.preference for each in step.candidates if each.preference is not None]
    low, high = min(known), max(known)
    return (candidate.preference - low) / (high - low) if high > low else 1.0


def is_line(trace: EpisodeTrace) -> bool:
    """Returns whether the agent chooses whole lines: candidates then have mean log-probabilities.

    A candidate token that is chosen is the written text itself; a line has several words.
    """
    texts = [each.text for step in trace.steps for each in step.candidates]
    return any(" " in text.strip() for text in texts)


def prompt_text(trace: EpisodeTrace) -> str:
    """Returns the prompt; where the agent adjusts the model, it ends its line."""
    end = "" if len(trace.transcript.prompt_tokens) else "\n"
    return printable(trace.transcript.prompt) + end


def written_text(trace: EpisodeTrace, place: int) -> str:
    """Returns what a step wrote, without the blank at the beginning of a line after a reply.

    Line ends are kept where the agent adjusts the model.
    """
    is_line_start = place > 0 and bool(trace.steps[place - 1].reply)
    written = trace.steps[place].written.removeprefix(" " if is_line_start else "")
    return printable(written, keep_lines=not len(trace.transcript.prompt_tokens))


def mark(step: Step, place: int) -> str:
    """Returns "▶" for the chosen candidate, "*" for the model's first choice."""
    return "▶" if place == step.chosen else "*" if place == step.first else ""


def model_heading(trace: EpisodeTrace, step: Step) -> str:
    """Returns the heading of the model's column; "" where the model has no opinion."""
    if all(candidate.model_logprob is None for candidate in step.candidates):
        return ""
    return LINE_MODEL if is_line(trace) else "model"


def numbers_text(step: Step) -> str:
    """Returns the reward of a step, its contributions, and the value estimate."""
    parts = [f"{name} {signed(value)}" for name, value in step.contributions.items() if value]
    detail = f" = {'  '.join(parts)}" if len(step.contributions) > 1 and parts else ""
    value = "" if step.value is None else f", value estimate {signed(step.value)}"
    return f"reward {signed(step.reward)}{detail}{value}"


def signed(value: float) -> str:
    """Returns a number with its sign and three decimals; one that is rounded to 0 as "+0.000"."""
    return f"{rounded(value):+.3f}"


def scores_text(scores: Mapping[str, float]) -> str:
    """Returns components of the reward, unweighted."""
    return "  ".join(f"{name} {value:.3f}" for name, value in scores.items())


def settings_text(settings: Mapping[str, float], most: int = 6) -> str:
    """Returns the values of a continuous action, the largest first."""
    pairs = sorted(settings.items(), key=lambda pair: -abs(pair[1]))
    shown = "  ".join(f"{name} {value:+.2f}" for name, value in pairs[:most])
    return f"{shown}  …" if len(pairs) > most else shown


def percent(share: float, digits: int = 1) -> str:
    """Returns a share in percent, such as "12.5 %"."""
    return f"{100 * share:.{digits}f} %"


def heading(trace: EpisodeTrace, number: int, total: int) -> str:
    """Returns the number of the episode, of its example, and the policy."""
    example = "own prompt" if trace.index < 0 else f"example {trace.index}"
    return f"episode {number} of {total}, {example}, {trace.policy}"


def _order(step: Step, place: int) -> tuple[float, float]:
    candidate = step.candidates[place]
    preferred = candidate.preference if candidate.preference is not None else -1e9
    return (-preferred if candidate.is_allowed else 1e9, _model_order(step, place)[0])


def _model_order(step: Step, place: int) -> tuple[float, int]:
    logprob = step.candidates[place].model_logprob
    return (0.0 if logprob is None else -logprob, place)
