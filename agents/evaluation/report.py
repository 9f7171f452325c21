"""The HTML page of an evaluation: scores by policy, figures, and completions side by side.

Owns the content and its wording; markup lives in `html.py`, colors in `lm_envs.rendering`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.evaluation.html import (
    Html,
    cards,
    folded,
    heading,
    page,
    paragraph,
    picture,
    plain,
    table,
)
from agents.evaluation.summary import label, strongest_sentence, verdict
from lm_envs.rendering import html_tokens
from lm_envs.transcript import Transcript

INTERVALS = "Means, and below them 95 % intervals over prompts and seeds."
SAME_PROMPTS = "Differences of reward on the same prompts, and below them 95 % intervals."
FORMER_NAMES = {"words": "tokens"}
"""Former names of measures in files of earlier versions; the counted units were always tokens."""

_LEGEND = (
    "A token on green raised the reward, one on red and underlined lowered it; hovering over a "
    "token shows the number. The color grows with the root of the reward's share of the largest in "
    "the text."
)


def evaluation_page(
    summary: Mapping[str, Any],
    samples: Sequence[Mapping[str, Transcript]],
    figures: Mapping[str, Path],
    title: str,
) -> str:
    """Returns one self-contained HTML page.

    Args:
        summary: Result of `agents.evaluation.comparison.summarize`; the optional keys "split",
            "breakdown", "config" and "versions" are shown too.
        samples: For each prompt shown, the transcripts by policy.
        figures: PNG files by caption; their bytes are embedded in the page.
        title: Heading of the page.
    """
    parts = [paragraph(_counts(summary)), paragraph(_verdict(summary)), heading("Scores")]
    parts.append(table(*policy_cells(summary["policies"]), INTERVALS))
    if ahead := summary.get("agent_ahead"):
        rows = [[label(name), interval_cell(score), p_cell(score)] for name, score in ahead.items()]
        header = ["policy", "the agent is ahead by", "p, by Holm"]
        parts.append(table(header, rows, SAME_PROMPTS))
    parts += [picture(path.read_bytes(), caption) for caption, path in figures.items()]
    parts += [_kinds(field, kinds) for field, kinds in summary.get("breakdown", {}).items()]
    if samples:
        parts += [heading("The same prompts, side by side"), paragraph(_LEGEND)]
        parts += [part for sample in samples for part in _sample(sample)]
    parts += [folded(name, summary[name]) for name in ("config", "versions") if name in summary]
    return page(title, parts)


def policy_cells(
    policies: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> tuple[list[str], list[list[str]]]:
    """Returns header and rows of a table: a policy per row, a score per column.

    In each cell a line break separates the mean from the interval.
    """
    scores = list(dict.fromkeys(score for values in policies.values() for score in values))
    rows = [
        [
            label(name),
            *(interval_cell(values[score]) if score in values else "" for score in scores),
        ]
        for name, values in policies.items()
    ]
    return ["policy", *(FORMER_NAMES.get(score, score) for score in scores)], rows


def interval_cell(score: Mapping[str, Any]) -> str:
    """Returns a mean, a line break, and its interval."""
    return "{:.3f}\n{:.3f} … {:.3f}".format(score["mean"], *score["interval"])


def p_cell(score: Mapping[str, Any]) -> str:
    """Returns the p of no difference, adjusted for the family; empty in files of 0.1.0."""
    return p_text(score["p_holm"]) if "p_holm" in score else ""


def p_text(value: float) -> str:
    """Returns a p with three decimals."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _counts(summary: Mapping[str, Any]) -> str:
    split = f"{summary['split']} " if "split" in summary else ""
    seeds = "1 seed" if summary["seeds"] == 1 else f"{summary['seeds']} seeds"
    return f"{summary['prompts']} {split}prompts; {seeds} of the agent."


def _verdict(summary: Mapping[str, Any]) -> str:
    """Returns the verdict on the same prompts; on the intervals alone for results without it."""
    if "agent_ahead" in summary:
        sentences = [verdict(summary["agent_ahead"])]
        sentences += [strongest_sentence(summary)] if "baselines" in summary else []
        return " ".join(sentences)
    is_above = summary["agent_interval_above"]
    groups = [[name for name in is_above if is_above[name] is flag] for flag in (True, False)]
    above, rest = ("; ".join(names) or "none" for names in groups)
    return f"The agent's reward interval lies above that of: {above}. Not above: {rest}."


def _kinds(field: str, kinds: Mapping[str, Mapping[str, Any]]) -> Html:
    """Returns the table of mean rewards by the values of a field: a value per row."""
    policies = next(iter(kinds.values()))["rewards"]
    rows = [
        [value, str(kind["prompts"]), *(f"{reward:.3f}" for reward in kind["rewards"].values())]
        for value, kind in kinds.items()
    ]
    header = [field, "prompts", *(label(name) for name in policies)]
    return table(header, rows, f"Mean reward by {field}.")


def _sample(sample: Mapping[str, Transcript]) -> list[Html]:
    first = next(iter(sample.values()))
    written = [
        (f"{label(name)}  {transcript.rewards.sum():+.3f}", Html(html_tokens(transcript)))
        for name, transcript in sample.items()
    ]
    reference = [("reference", plain(first.reference))] if first.reference else []
    return [heading(f"{first.prompt} …", 3), cards([*reference, *written])]
