"""The HTML page of an evaluation: policies against scores, pictures, and texts side by side.

Owns what is shown and in which words; markup lives in `page.py`, colors in `lm_envs.rendering`.
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
from lm_envs.rendering import html_tokens
from lm_envs.transcript import Transcript

INTERVALS = "Means, and below them 95 % bootstrap intervals over prompts and seeds."
SAME_PROMPTS = "Differences of reward on the same prompts, and below them 95 % intervals."


def evaluation_page(
    summary: Mapping[str, Any],
    samples: Sequence[Mapping[str, Transcript]],
    figures: Mapping[str, Path],
    title: str,
) -> str:
    """One page that opens from disk.

    Args:
        summary: What `agents.evaluate.summarize` returns; "split", "config" and "versions" are
            shown where they are there.
        samples: For each prompt shown, what each policy wrote, by the policy's name.
        figures: PNG files by caption; they become part of the page.
        title: Heading of the page.
    """
    parts = [paragraph(_setting(summary)), paragraph(_verdict(summary)), heading("Scores")]
    parts.append(table(*policy_cells(summary["policies"]), INTERVALS))
    if ahead := summary.get("agent_ahead"):
        rows = [[name, interval_cell(score)] for name, score in ahead.items()]
        parts.append(table(["policy", "the agent is ahead by"], rows, SAME_PROMPTS))
    parts += [picture(path.read_bytes(), caption) for caption, path in figures.items()]
    if samples:
        parts += [heading("The same prompts, side by side"), paragraph(_LEGEND)]
        parts += [part for sample in samples for part in _sample(sample)]
    parts += [folded(name, summary[name]) for name in ("config", "versions") if name in summary]
    return page(title, parts)


def policy_cells(
    policies: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of policies against scores; a line break parts mean and interval."""
    scores = list(dict.fromkeys(score for values in policies.values() for score in values))
    rows = [
        [name, *(interval_cell(values[score]) if score in values else "" for score in scores)]
        for name, values in policies.items()
    ]
    return ["policy", *scores], rows


_LEGEND = (
    "A word on green raised the reward, one on red and underlined lowered it; the number appears "
    "when the pointer rests on it. Colours are scaled within each text."
)


def interval_cell(score: Mapping[str, Any]) -> str:
    """A mean, and below it its interval."""
    return "{:.3f}\n{:.3f} … {:.3f}".format(score["mean"], *score["interval"])


def _setting(summary: Mapping[str, Any]) -> str:
    split = f"{summary['split']} " if "split" in summary else ""
    seeds = "1 seed" if summary["seeds"] == 1 else f"{summary['seeds']} seeds"
    return f"{summary['prompts']} {split}prompts; {seeds} of the agent."


def _verdict(summary: Mapping[str, Any]) -> str:
    """Which policies the agent's interval clears, and which it does not."""
    beaten = summary["agent_interval_above"]
    groups = [[name for name in beaten if beaten[name] is so] for so in (True, False)]
    above, rest = ("; ".join(names) or "none" for names in groups)
    return f"The agent's reward interval lies above that of: {above}. Not above: {rest}."


def _sample(sample: Mapping[str, Transcript]) -> list[Html]:
    first = next(iter(sample.values()))
    written = [
        (f"{name}  {transcript.rewards.sum():+.3f}", Html(html_tokens(transcript)))
        for name, transcript in sample.items()
    ]
    hoped = [("reference", plain(first.reference))] if first.reference else []
    return [heading(f"{first.prompt} …", 3), cards([*hoped, *written])]
