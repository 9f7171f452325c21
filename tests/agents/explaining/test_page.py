import pytest

from agents.explaining.page import bars, explanation_page
from agents.explaining.report import explain
from tests.agents.explaining.agents import log_probability_run, records
from tests.agents.viewing.traces import HOSTILE, make_hostile


@pytest.fixture(scope="module")
def text():
    env, recorded = records()
    report = explain(log_probability_run(), env, recorded, most_departures=6)
    report["run"] = report["departures"]["by_kind"][0]["name"] = HOSTILE
    report["sentence"] += HOSTILE
    report["episodes"][0]["words"] = [{"word": HOSTILE, "value": 0.1}]
    traces = [make_hostile(recorded[0][0]), *(trace for trace, _ in recorded[1:])]
    return explanation_page(report, traces)


def test_hostile_text_is_no_markup_and_holds_no_control_characters(text):
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 5
    assert not set("\x1b\x07\x9b\u202e\r") & set(text)


def test_the_page_is_self_contained_and_holds_every_part(text):
    assert "default-src 'none'" in text
    assert "<link" not in text
    assert "src=" not in text
    for part in ("What decided", "Is that true?", "Where it departs", "In one small tree"):
        assert part in text


def test_bars_stay_in_their_column():
    assert "width:100.0%" in bars([("a", 7.0, "7")])
