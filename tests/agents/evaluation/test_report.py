import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from agents.evaluation import comparison, plots
from agents.evaluation.report import evaluation_page, policy_cells
from tests.test_rendering import make_transcript

EVIL = "<script>alert('x')</script>"


def make_written(agent=0.8, other=0.5):
    """EpisodeBuffer of two policies; the first prompt and the reference hold markup."""

    def transcripts(reward, seed):
        rng = np.random.default_rng(seed)
        made = []
        for number in range(20):
            transcript = make_transcript(
                [" good", f" {EVIL}"], [reward, -0.1], prompt=f"{EVIL} {number}"
            )
            scores = {"reward": reward + 0.01 * rng.normal(), "fluency": 0.5}
            changes = {"scores": scores, "reference": f"& {EVIL}"}
            made.append(dataclasses.replace(transcript, **changes))
        return made

    return {
        "agent": [transcripts(agent, 0), transcripts(agent, 1)],
        "greedy": [transcripts(other, 2)],
        "random & co": [transcripts(0.9, 3)],
    }


@pytest.fixture
def shown(tmp_path):
    written = make_written()
    summary = comparison.summarize(written) | {"split": "test", "config": {"task": EVIL}}
    samples = [{name: seeds[0][number] for name, seeds in written.items()} for number in (0, 7)]
    means = {name: scores["reward"]["mean"] for name, scores in summary["policies"].items()}
    intervals = {name: s["reward"]["interval"] for name, s in summary["policies"].items()}
    plots.score_bars(means, intervals, tmp_path / "rewards.png")
    return evaluation_page(summary, samples, {"Rewards": tmp_path / "rewards.png"}, f"Run {EVIL}")


def test_model_text_is_never_markup(shown):
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") > 10


def test_the_page_asks_the_network_for_nothing(shown):
    sources = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert tag not in ("link", "iframe", "object", "a")
            sources.extend(value for name, value in attributes if name in ("src", "srcset", "href"))

    Reader().feed(shown)
    assert [source[:27] for source in sources] == ["data:image/png;base64,iVBOR"]
    assert "default-src 'none'" in shown
    assert "url(" not in shown
    assert "@import" not in shown


def test_every_tag_is_closed_in_order(shown):
    opened = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag not in ("meta", "img"):
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Reader().feed(shown)
    assert opened == []


def test_the_table_holds_means_and_intervals(shown):
    cell = (
        r'<tr><th scope="row">agent</th><td>0\.(?:79|80)\d<small>0\.\d{3} … 0\.\d{3}</small></td>'
    )
    assert re.search(cell, shown)
    assert "<td>0.500<small>0.500 … 0.500</small></td>" in shown


def test_the_verdict_is_that_of_the_paired_differences(shown):
    assert "the agent is ahead of: greedy (+0.3" in shown
    assert "It is behind: random &amp; co (-0." in shown
    assert "20 test prompts; 2 seeds of the agent." in shown


def test_texts_stand_side_by_side_with_their_reference(shown):
    assert shown.count('<div class="cards">') == 2
    headers = re.findall(r"<header>(.*?)</header>", shown)
    assert headers[:4] == [
        "reference",
        "agent  +0.700",
        "greedy  +0.400",
        "random &amp; co  +0.800",
    ]


def test_without_samples_and_pictures_there_are_scores_alone():
    shown = evaluation_page(comparison.summarize(make_written()), [], {}, "Run")
    assert "side by side" not in shown
    assert "<img" not in shown


def test_results_of_earlier_versions_show_words_as_tokens():
    score = {"mean": 24.0, "interval": [24.0, 24.0]}
    header, rows = policy_cells({"agent": {"words": score}})
    assert (header, rows[0][0]) == (["policy", "tokens"], "agent")
