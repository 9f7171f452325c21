from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from agents.evaluation.comparison import summarize
from agents.evaluation.summary import (
    best_of_sentence,
    label,
    mean_and_half_width,
    print_side_by_side,
    print_summary,
    strongest_sentence,
    verdict,
)
from tests.agents.evaluation.test_report import make_written

LONG = "a policy of a very long name"


def shown(width=80, **changes):
    written = make_written(**changes)
    written = {"agent": written["agent"], "greedy": written["greedy"], LONG: written["random & co"]}
    written["oracle"] = written["greedy"]
    texts = [{name: seeds[0][0] for name, seeds in written.items()}]
    console = Console(width=width, record=True, file=StringIO())
    print_summary(summarize(written), texts, {"page": "a/" * 60 + "index.html"}, "Run", console)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120])
def test_the_tables_fit_the_terminal_and_no_number_is_cut(width):
    """Regression: at 80 columns values ended in "…", and 10 kB of JSON hid the table."""
    lines = shown(width).splitlines()
    assert max(map(len, [line for line in lines if not line.startswith("page:")])) <= width
    assert not [line for line in lines if "│" in line and "…" in line]
    assert "page: " + "a/" * 60 + "index.html" in lines
    assert "{" not in "".join(lines)


def test_names_of_scores_are_on_one_line_beside_a_policy_of_a_long_name():
    """Regression: "differentiable_laggi" and "ng" stood on two lines."""
    score = {"mean": 0.5, "interval": (0.4, 0.6)}
    scores = {"reward": score, "differentiable_lagging": score}
    difference = {"mean": 0.1, "interval": (0.0, 0.2), "p_holm": 0.5}
    names = ("agent", "greedy", "write what guesses agree on")
    summary = {
        "policies": dict.fromkeys(names, scores),
        "agent_ahead": dict.fromkeys(names[1:], difference),
    }
    console = Console(width=80, record=True, file=StringIO())
    print_summary(summary, [], {}, "Run", console)
    assert "│ differentiable_lagging │ 0.500 ± 0.100 │" in console.export_text()


def test_the_table_holds_half_widths_and_explains_the_oracle():
    text = shown()
    assert "0.500 ± 0.00" in text
    assert "oracle (knows the reference)" in text
    assert label("greedy") == "greedy"


def test_texts_of_a_model_reach_the_terminal_without_escape_codes():
    console = Console(width=80, record=True, file=StringIO())
    hostile = "\x1b]8;;http://x\x07[red]a[/red]\u202e\x9b2J\r"
    print_side_by_side(hostile, hostile, {hostile: hostile, "agent": hostile}, console)
    text = console.export_text(styles=False)
    assert not set("\x1b\x07\u202e\x9b\r") & set(text)
    assert "[red]a[/red]" in text


def test_the_verdict_follows_the_intervals_of_the_differences():
    """Regression: a page listed "Not above: greedy" above a table that had +0.039 (0.013 …)."""
    ahead = {
        "greedy": {"mean": 0.039, "interval": (0.013, 0.065)},
        "sampling": {"mean": -0.0001, "interval": (-0.02, 0.02)},
        "top-p": {"mean": -0.1, "interval": (-0.2, -0.01)},
        "oracle": {"mean": -0.5, "interval": (-0.6, -0.4)},
    }
    assert verdict(ahead).endswith(
        "the agent is ahead of: greedy (+0.039). It is behind: top-p (-0.100). It is not clearly "
        "different from: sampling (+0.000)."
    )
    assert mean_and_half_width({"mean": -0.0001, "interval": (-0.1, 0.3)}, "+") == "+0.000 ± 0.200"


def test_the_verdict_counts_the_number_of_comparisons():
    """An interval of 95 % leaves out 0 by chance in one of twenty comparisons."""
    gain = {"mean": 0.039, "interval": (0.001, 0.077)}
    ahead = {"greedy": {**gain, "p_holm": 0.2}, "top-p": {**gain, "p_holm": 0.01}}
    assert verdict(ahead).endswith(
        "adjusted for their number (Holm), the agent is ahead of: top-p (+0.039). It is not "
        "clearly different from: greedy (+0.039)."
    )


def test_a_summary_in_a_file_has_no_escape_codes(tmp_path):
    written = make_written()
    sample = {"agent": replace(written["agent"][0][0], prompt="\x1b[31mred")}
    with (tmp_path / "log").open("w") as file:
        print_summary(summarize(written), [sample], {}, "Run", Console(file=file, width=80))
    assert "\x1b" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("mean", "phrase"),
    [
        (0.0123, "ahead of it by 0.012"),
        (-0.003, "behind it by 0.003"),
        (-0.0001, "level with it: 0.000"),
    ],
)
def test_the_strongest_baseline_is_named_with_its_setting_and_the_difference(mean, phrase):
    """Regression: an agent was "ahead of it by -0.003"."""
    interval = (mean - 0.01, mean + 0.01)
    document = {
        "agent_ahead": {"no-repeat greedy": {"mean": mean, "interval": interval}},
        "baselines": {
            "strongest": "no-repeat greedy",
            "chosen_on": "validation",
            "settings": {"no-repeat greedy": {"setting": [2, "completion"]}},
        },
    }
    assert strongest_sentence(document) == (
        "The strongest baseline, chosen on validation, is no-repeat greedy (setting: 2, "
        f"completion); the agent is {phrase} ± 0.010 on the same prompts."
    )


@pytest.mark.parametrize(
    ("agent", "sentence"),
    [
        (
            0.6,
            "The best of 4 samples reaches the agent's reward with 0.700, for 40 tokens a prompt.",
        ),
        (0.8, "The best of 4 samples has 0.700, less than the agent."),
    ],
)
def test_the_number_of_samples_that_reaches_the_agent_is_named(agent, sentence):
    curve = [{"n": 1, "reward": 0.5, "tokens": 10.0}, {"n": 4, "reward": 0.7, "tokens": 40.0}]
    policies = {"agent": {"reward": {"mean": agent}}}
    assert best_of_sentence({"policies": policies, "best_of_n": {"curve": curve}}) == sentence
