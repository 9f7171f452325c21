"""The end of a command for people: a table of 80 columns, a verdict, texts, and where files are.

Owns what is printed and its wording. Computes no statistics; `agents.evaluation.comparison` does.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.evaluation.baselines import untrained_name
from agents.evaluation.comparison import AGENT, ORACLE
from agents.evaluation.intervals import LEVEL
from agents.evaluation.stages import Stage
from lm_envs.rendering import printable, text_with_replies
from lm_envs.transcript import Transcript

LABELS = {ORACLE: "oracle (knows the reference)"}
"""Names of policies as they are shown, where the name alone does not explain them."""

NUM_TEXTS = 3
LONGEST_TEXT = 240
"""Characters of a prompt or a completion that are shown; the files have all of it."""

MOST_COMPARED = 3
"""Policies in the table of scores: more columns would not fit 80 characters."""


def label(name: str) -> str:
    """Returns the name of a policy as it is shown."""
    return LABELS.get(name, printable(name))


def mean_and_half_width(score: Mapping[str, Any], sign: str = "", digits: int = 3) -> str:
    """Returns "mean ± half of the 95 % interval's width"; `sign` is a format flag such as "+"."""
    low, high = score["interval"]
    return f"{rounded(score['mean'], digits):{sign}.{digits}f} ± {(high - low) / 2:.{digits}f}"


def rounded(value: float, digits: int = 3) -> float:
    """Returns a value of so many decimals, without the sign of a negative zero."""
    return round(value, digits) + 0.0


def verdict(ahead: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns a sentence that lists the policies behind the agent, level with it, and before it.

    Args:
        ahead: `agent_ahead` of `summarize`: mean difference of reward on the same prompts, its 95 %
            interval and `p_holm`. It is clear if `p_holm` is below 0.05, or in results of version
            0.1.0, which have none, if the interval does not contain 0. The oracle, which knows the
            reference, is a bound and not judged.
    """
    groups: dict[str, list[str]] = {"ahead": [], "level": [], "behind": []}
    for name, difference in ahead.items():
        if name == ORACLE:
            continue
        low, high = difference["interval"]
        is_clear = difference["p_holm"] < LEVEL if "p_holm" in difference else not low <= 0 <= high
        group = "level" if not is_clear else "ahead" if difference["mean"] > 0 else "behind"
        groups[group].append(f"{name} ({rounded(difference['mean']):+.3f})")
    phrases = {"ahead": "ahead of", "behind": "behind", "level": "not clearly different from"}
    sentences = [
        f"{phrase}: {'; '.join(groups[group])}"
        for group, phrase in phrases.items()
        if groups[group]
    ]
    is_adjusted = any("p_holm" in difference for difference in ahead.values())
    test = "95 % intervals of the difference" + is_adjusted * ", adjusted for their number (Holm)"
    start = f"On the same prompts, by {test}, the agent is"
    return f"{start} {'. It is '.join(sentences) or 'compared with nothing'}."


def strongest_sentence(document: Mapping[str, Any]) -> str:
    """Returns a sentence about the strongest baseline and how far the agent is ahead or behind.

    Args:
        document: Result of `summarize` with the key `baselines`, the record of a suite.
    """
    baselines = document["baselines"]
    name = baselines["strongest"]
    setting = _setting_text(baselines["settings"][name]["setting"])
    shown = f" (setting: {_shortened(setting)})" if setting else ""
    difference = _signed_difference(document["agent_ahead"][name])
    return (
        f"The strongest baseline, chosen on {baselines['chosen_on']}, is {name}{shown}; the agent "
        f"is {difference} on the same prompts."
    )


def _setting_text(setting: Any) -> str:  # noqa: ANN401 - of any baseline
    """Returns the setting of a baseline, such as "2, completion"; "" for None."""
    if isinstance(setting, Mapping):
        return ", ".join(f"{name} {value}" for name, value in setting.items())
    if isinstance(setting, Sequence) and not isinstance(setting, str):
        return ", ".join(map(str, setting))
    return "" if setting is None else str(setting)


def _signed_difference(difference: Mapping[str, Any]) -> str:
    """Returns "ahead of it by", "behind it by" or "level with it:", and mean and half-width."""
    mean = rounded(difference["mean"])
    phrase = "ahead of it by" if mean > 0 else "behind it by" if mean < 0 else "level with it:"
    return f"{phrase} {mean_and_half_width({**difference, 'mean': abs(mean)})}"


def best_of_sentence(document: Mapping[str, Any]) -> str:
    """Returns a sentence about how many samples reach the agent's reward, and their cost.

    Args:
        document: Result of `summarize` with the key `best_of_n`, a curve over n.
    """
    agent = document["policies"][AGENT]["reward"]["mean"]
    curve = document["best_of_n"]["curve"]
    reached = [point for point in curve if point["reward"] >= agent]
    last = curve[-1]
    if not reached:
        return f"The best of {last['n']} samples has {last['reward']:.3f}, less than the agent."
    first = reached[0]
    return (
        f"The best of {first['n']} samples reaches the agent's reward with {first['reward']:.3f}, "
        f"for {first['tokens']:.0f} tokens a prompt."
    )


def print_summary(
    summary: Mapping[str, Any],
    texts: Sequence[Mapping[str, Transcript]],
    files: Mapping[str, Path | str],
    title: str,
    console: Console | None = None,
) -> None:
    """Prints the rewards, the verdict, the other scores, a few texts, and the files.

    Args:
        summary: Result of `agents.evaluation.comparison.summarize`.
        texts: For each prompt shown, the transcripts by policy.
        files: Paths, or commands, by what they are.
        title: Of the table of rewards.
        console: Of `rich`; default standard output.
    """
    console = console or Console(highlight=False)
    console.print(_reward_table(summary, title))
    console.print(Text(f"{verdict(summary['agent_ahead'])}\n"))
    if "baselines" in summary:
        console.print(Text(f"{strongest_sentence(summary)}\n"))
    if "best_of_n" in summary:
        console.print(Text(f"{best_of_sentence(summary)}\n"))
    if len(summary["policies"][AGENT]) > 1:
        console.print(_score_table(summary["policies"]))
    for sample in texts[:NUM_TEXTS]:
        print_texts(sample, console)
    print_files(files, console)


def print_texts(sample: Mapping[str, Transcript], console: Console) -> None:
    """Prints one prompt, its reference, and what each policy wrote, with its reward."""
    first = next(iter(sample.values()))
    written = {
        f"{name} {transcript.scores['reward']:+.3f}": text_with_replies(transcript)
        for name, transcript in sample.items()
    }
    print_side_by_side(first.prompt, first.reference, written, console)


def print_side_by_side(
    prompt: str, reference: str, written: Mapping[str, str], console: Console
) -> None:
    """Prints a prompt, and below it texts with their names at the left."""
    console.print(Text(f"\n{_shortened(prompt)} …", style="bold"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    if reference:
        grid.add_row("  reference", Text(_shortened(reference), style="italic"))
    for name, text in written.items():
        grid.add_row(Text(f"  {printable(name)}"), Text(_shortened(text)))
    console.print(grid)


def print_stages(stages: Sequence[Stage], title: str, console: Console) -> None:
    """Prints the stages of a language model, and a few texts of the first and the last one."""
    table = Table(title=Text(printable(title)), title_justify="left")
    table.add_column("stage", overflow="fold")
    for name in ("reward ± 95 %", "KL, nats per text", "log-probability of a token"):
        table.add_column(name, justify="right")
    for stage in stages:
        measures = (stage.summary[key] for key in ("reward", "kl", "base_logprob"))
        table.add_row(Text(printable(stage.stage)), *map(mean_and_half_width, measures))
    console.print(table)
    for before, after in list(zip(stages[0].samples, stages[-1].samples, strict=True))[:NUM_TEXTS]:
        written = {
            f"{stage.stage} {sample['reward']:+.3f}": sample["text"]
            for stage, sample in ((stages[0], before), (stages[-1], after))
        }
        print_side_by_side(before["prompt"], before["reference"], written, console)


def print_files(files: Mapping[str, Path | str], console: Console) -> None:
    """Prints paths, or commands, each on one line: a broken path cannot be copied."""
    console.print()
    for name, path in files.items():
        console.print(Text(f"{name}: {path}"), soft_wrap=True)


def _reward_table(summary: Mapping[str, Any], title: str) -> Table:
    table = Table(title=Text(title), title_justify="left")
    table.add_column("policy", overflow="fold")
    table.add_column("reward ± 95 %", justify="right", no_wrap=True)
    table.add_column("agent ahead by ± 95 %", justify="right", no_wrap=True)
    for name, scores in summary["policies"].items():
        ahead = summary["agent_ahead"].get(name)
        gain = mean_and_half_width(ahead, "+") if ahead else ""
        style = "bold" if name == AGENT else ""
        table.add_row(Text(label(name)), mean_and_half_width(scores["reward"]), gain, style=style)
    return table


def _score_table(policies: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """Returns the other scores of the agent, the untrained model and the best baseline."""
    untrained = untrained_name(policies)
    others = [name for name in policies if name not in (AGENT, ORACLE, untrained)]
    best = sorted(others, key=lambda name: -policies[name]["reward"]["mean"])
    shown = [AGENT, untrained, *best][:MOST_COMPARED]
    table = Table(title="scores ± 95 %", title_justify="left")
    table.add_column("score", overflow="fold")
    scores = [score for score in policies[AGENT] if score != "reward"]
    columns = [[mean_and_half_width(policies[name][score]) for score in scores] for name in shown]
    for name, cells in zip(shown, columns, strict=True):
        # A long name takes several lines, so that the names of scores keep theirs.
        width = max(map(len, [*cells, *name.split()]))
        table.add_column(Text(name), justify="right", overflow="fold", max_width=width)
    for score, *cells in zip(scores, *columns, strict=True):
        table.add_row(Text(score), *cells)
    return table


def _shortened(text: str) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
