import json

import pytest

from agents.explaining.report import check_sentence, explain, main_sentence
from tests.agents.explaining.agents import log_probability_run, records


@pytest.fixture(scope="module")
def report():
    env, recorded = records()
    return explain(log_probability_run(), env, recorded, most_departures=6)


def test_the_main_sentence_has_its_figures_and_the_result_of_the_check(report):
    assert "is decided mostly by: candidates' log-probabilities (100 %" in report["sentence"]
    assert "This is confirmed on held-out prompts" in report["sentence"]
    assert main_sentence(report) == report["sentence"]


def test_a_failed_check_is_stated(report):
    check = {**report["groups"]["check"], "is_true": False}
    assert "NOT confirmed" in check_sentence(check)


def test_the_values_of_a_step_are_by_group(report):
    values = report["episodes"][0]["steps"][0]["attribution"]
    assert values["hidden state"] == 0.0
    assert set(values) == set(report["groups"]["shares"])


def test_a_report_is_json(report):
    assert json.loads(json.dumps(report, allow_nan=False))["num_episodes"] == 8
