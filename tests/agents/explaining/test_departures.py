import pytest

from agents.explaining.departures import (
    Place,
    departure_report,
    kind_of_word,
    measured_gains,
)
from agents.viewing.recorder import record_with_moments
from tests.agents.explaining.agents import log_probability_run, records
from tests.agents.viewing.traces import config_for, make_agent


def test_the_gain_of_a_departure_is_that_of_another_episode():
    env, recorded = records()
    policy = log_probability_run().policy
    places = [Place(0, 0), Place(3, 2), Place(5, 4)]
    gains = measured_gains(env, policy, recorded, places)
    # The last step: only the last token differs, so the other reward can be computed by hand.
    trace, moments = recorded[5]
    env.reset(options={"index": [trace.index] * env.num_envs})
    total = 0.0
    for moment in moments[:4]:
        total += env.step([moment.action] * env.num_envs)[1][0]
    total += env.step([0] * env.num_envs)[1][0]
    assert gains[2] == pytest.approx(trace.reward - total)


def test_taking_the_models_first_choice_gains_nothing():
    env, recorded = records()
    policy = log_probability_run().policy
    follows = [
        Place(number, place)
        for number, (trace, _) in enumerate(recorded)
        for place, step in enumerate(trace.steps)
        if not step.departs
    ]
    gains = measured_gains(env, policy, recorded, follows[:3])
    assert gains == pytest.approx([0.0] * len(gains), abs=1e-9)


def test_the_rows_of_the_tables_add_up():
    env, recorded = records()
    report = departure_report(env, log_probability_run().policy, recorded, most=6, seed=0)
    for key in ("by_kind", "by_step"):
        assert sum(row["steps"] for row in report[key]) == report["steps"]
        assert sum(row["departures"] for row in report[key]) == report["departures"]
        assert sum(row["measured"] for row in report[key]) == report["measured"] == 6


def test_labels_of_one_word_are_named_as_lines():
    policy, env = make_agent(config_for("lm_envs/Classification-v0", actions="choices"))
    recorded = record_with_moments(env, policy, range(4))
    labels = {step.action.strip() for trace, _ in recorded for step in trace.steps}
    report = departure_report(env, policy, recorded, most=4, seed=0)
    assert {row["name"].strip() for row in report["by_kind"]} == labels


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (" the", "function word"),
        (" House", "content word"),
        ("ing", "rest of a word"),
        (" 1979", "number"),
        (".", "punctuation"),
        ("\n", "line end or blank"),
        ("⟨end⟩", "end of text"),
        ("国", "content word"),
        ("\\xe4\\xbd", "part of a character"),
    ],
)
def test_kinds_of_words(text, kind):
    assert kind_of_word(text) == kind
