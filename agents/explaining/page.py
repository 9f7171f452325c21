"""The page of an explanation, in the markup of `agents.evaluation.html`.

Owns layout and headings; numbers and sentences come from `report`. Untrusted text is sanitized here
or by `wording`, and escaped by `html`.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from agents.evaluation.html import Html, heading, page, paragraph, table
from agents.explaining.report import check_sentence, word_sentence
from agents.viewing import wording
from agents.viewing.page import colored_text, step_parts
from agents.viewing.trace import EpisodeTrace
from lm_envs.rendering import colored_span, printable

HOW_SHAPLEY = (
    "Exact Shapley values: how much each group of the observation added to the preference for the "
    "action that was taken. The value of a set of groups is the mean preference where the other "
    "groups are those of {background} other held-out steps. The ranking uses one half of the "
    "episodes, the check the other half. Without a group means: with the numbers that "
    "this group has at another held-out step."
)
HOW_GAIN = (
    "A gain is measured: the episode is played again up to the step, the model's first choice is "
    "taken there, and the agent goes on. {measured} of {departures} departures were measured."
)
HOW_TREE = (
    "A decision tree of depth 3 that imitates when the agent departs, fitted on one half of the "
    "episodes. On the other half it is right at {fidelity} of {steps} steps; always giving the "
    "more frequent answer is right at {baseline}."
)
HOW_WORDS = {
    "words": "A word's value is by how much it raised the mean log-probability of the written "
    "tokens: they are scored once more without the word (occlusion). {sentence}",
    "gradients": "Integrated gradients: the words' embeddings go from those of end-of-text tokens "
    "to their own, and a word's value is its part of the rise of the mean log-probability of the "
    "written tokens; the values add up to the rise. {sentence}",
}
CAPTIONS = {
    "words": "The prompt's words, by occlusion: green ones made the written text more likely, red "
    "ones less.",
    "gradients": "The same by integrated gradients.",
}


def explanation_page(report: Mapping[str, Any], traces: Sequence[EpisodeTrace]) -> str:
    """Returns one self-contained page.

    Args:
        report: Of `agents.explaining.report.explain`.
        traces: The recorded episodes; the first ones are shown.
    """
    low, high = report["reward"]["interval"]
    counts = f"{report['num_episodes']} held-out episodes, {report['num_steps']} steps"
    mean = f"mean reward {report['reward']['mean']:.3f} ({low:.3f} … {high:.3f})"
    lead = paragraph(printable(report["sentence"]))
    parts = [Html(f'<div style="font-weight:600">{lead}</div>')]
    parts.append(paragraph(f"{counts}; {mean}. Intervals are 95 % intervals."))
    parts += _groups(report.get("groups"))
    parts += _words(report)
    parts += _departures(report.get("departures"))
    parts += _tree(report.get("tree"))
    parts += [paragraph(note) for note in report["notes"]]
    for number, (document, trace) in enumerate(zip(report["episodes"], traces, strict=False), 1):
        parts.append(heading(wording.heading(trace, number, len(report["episodes"]))))
        parts += _episode(document, trace)
    return page(printable(f"Explanation of {report['run']}"), parts)


def bars(rows: Sequence[tuple[str, float, str]]) -> Html:
    """Returns labeled bars; each row has a name, a length in [0, 1], and a text."""
    body = "".join(
        f'<tr><th scope="row">{escape(printable(name))}</th>'
        '<td style="min-width:8rem;text-align:left">'
        f'<div style="background:#4a76c0;height:1rem;width:{100 * min(max(size, 0), 1):.1f}%">'
        f'</div></td><td style="white-space:nowrap">{escape(text)}</td></tr>'
        for name, size, text in rows
    )
    return Html(f'<div class="scroll"><table><tbody>{body}</tbody></table></div>')


def _groups(groups: Mapping[str, Any] | None) -> list[Html]:
    if groups is None:
        return []
    names = sorted(groups["shares"], key=lambda name: -groups["shares"][name])
    shares = [(n, groups["shares"][n], wording.percent(groups["shares"][n])) for n in names]
    check = groups["check"]
    rows = [
        [name, interval(groups["importance"][name]), percent_interval(check["by_group"][name])]
        for name in names
    ]
    header = ["group", "mean absolute Shapley value", "action changes without it"]
    return [
        heading("What decided"),
        paragraph(HOW_SHAPLEY.format(background=groups["background"])),
        bars(shares),
        table(header, rows),
        heading("Is that true?", 3),
        paragraph(f"{check_sentence(check)} {check['episodes']} episodes, {check['steps']} steps."),
    ]


def _words(report: Mapping[str, Any]) -> list[Html]:
    checks = {name: report[name] for name in HOW_WORDS if report.get(name)}
    texts = [HOW_WORDS[n].format(sentence=word_sentence(check)) for n, check in checks.items()]
    return [heading("The prompt's words"), *map(paragraph, texts)] if texts else []


def _departures(departures: Mapping[str, Any] | None) -> list[Html]:
    if departures is None:
        return []
    header = ["", "steps", "departs", "gain there, reward an episode"]
    parts = [heading("Where it departs from the model"), paragraph(HOW_GAIN.format(**departures))]
    for name, key in (("kind of word", "by_kind"), ("step", "by_step")):
        rows = [
            [
                printable(row["name"]),
                str(row["steps"]),
                f"{wording.percent(row['share'])}\n{row['departures']}",
                f"{interval(row['gain'], '+')}; {row['measured']} measured" if row["gain"] else "",
            ]
            for row in departures[key]
        ]
        parts.append(table([name, *header[1:]], rows))
    return parts


def _tree(tree: Mapping[str, Any] | None) -> list[Html]:
    if tree is None:
        return []
    rules = f"<pre>{escape(printable(tree['rules'], keep_lines=True))}</pre>"
    return [
        heading("In one small tree"),
        paragraph(HOW_TREE.format(**_percents(tree))),
        Html(rules),
    ]


def _percents(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {**tree, **{name: wording.percent(tree[name]) for name in ("fidelity", "baseline")}}


def _episode(document: Mapping[str, Any], trace: EpisodeTrace) -> list[Html]:
    parts = [colored_text(trace)]
    for name, caption in CAPTIONS.items():
        if words := document.get(name):
            parts.append(_colored_words(words, caption))
    scores = wording.scores_text(trace.transcript.scores)
    parts.append(paragraph(printable(f"{trace.transcript.ending}: {scores}")))
    steps = "".join(
        "".join([*step_parts(trace, place), _attribution(values.get("attribution"))])
        for place, values in enumerate(document["steps"])
    )
    count = f"{len(trace.steps)} steps, with what decided each"
    return [*parts, Html(f"<details><summary>{count}</summary>{steps}</details>")]


def _attribution(values: Mapping[str, float] | None) -> Html:
    if not values:
        return Html("")
    largest = max([abs(value) for value in values.values()] + [1e-9])
    ranked = sorted(values.items(), key=lambda pair: -abs(pair[1]))
    return bars([(name, abs(value) / largest, wording.signed(value)) for name, value in ranked])


def _colored_words(words: Sequence[Mapping[str, Any]], caption: str) -> Html:
    largest = max([abs(each["value"]) for each in words] + [1e-9])
    spans = [
        colored_span(printable(each["word"]), each["value"], each["value"] / largest)
        for each in words
    ]
    return Html(f'<p class="text" dir="auto">{" ".join(spans)}</p>{paragraph(caption)}')


def interval(score: Mapping[str, Any], sign: str = "") -> str:
    """Returns the mean, a line end, and "low … high"."""
    low, high = score["interval"]
    return f"{score['mean']:{sign}.3f}\n{low:{sign}.3f} … {high:{sign}.3f}"


def percent_interval(score: Mapping[str, Any]) -> str:
    """Returns the mean, a line end, and "low … high", in percent."""
    low, high = score["interval"]
    return f"{wording.percent(score['mean'])}\n{100 * low:.1f} … {wording.percent(high)}"
