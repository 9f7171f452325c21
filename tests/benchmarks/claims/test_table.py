"""The family of claims on rewards whose verdicts are known."""

import numpy as np
import pytest

from agents.baselines.searches import BEAM
from agents.evaluation.comparison import AGENT
from benchmarks.claims.table import (
    AHEAD,
    BEHIND,
    OPEN,
    PARTLY,
    claim_rows,
    equal_cost_rows,
    to_markdown,
)

SEEDS, PROMPTS = 5, 400


def document(gain, name="rule", noise=0.1, seed=0):
    """An agent that is ahead of its baseline by `gain` on average, prompt by prompt."""
    rng = np.random.default_rng(seed)
    baseline = rng.uniform(size=(1, PROMPTS))
    agent = baseline + gain + rng.normal(0.0, noise, (SEEDS, PROMPTS))
    scores = {AGENT: {"reward": agent.tolist()}, name: {"reward": baseline.tolist()}}
    return {
        "environment": f"gain {gain}",
        "agent": "PPO",
        "policy": AGENT,
        "baselines": {"strongest": name, "settings": {name: {"uses_reward": False}}},
        "prompt_scores": scores,
    }


def test_a_clear_gain_is_ahead_a_clear_loss_behind_and_no_difference_open():
    rows = claim_rows([document(0.05), document(-0.05, seed=1), document(0.0, seed=2)])
    assert [row.verdict for row in rows] == [AHEAD, BEHIND, OPEN]
    assert rows[0].gain == pytest.approx(0.05, abs=0.01)
    assert rows[0].interval[0] < 0.05 < rows[0].interval[1]


def test_a_gain_that_holds_alone_does_not_hold_beside_many_others():
    weak = document(0.006, noise=0.12, seed=3)
    (alone,) = claim_rows([weak])
    assert 0.001 < alone.p < 0.05
    assert alone.verdict == AHEAD
    among = claim_rows([weak, *(document(0.0, seed=seed) for seed in range(4, 60))])
    assert among[0].verdict == OPEN
    assert among[0].interval == alone.interval


def with_another(found, name, gain, uses_reward=False):
    """The document with a baseline that earns `gain` more than the rule on every prompt."""
    rewards = np.array(found["prompt_scores"]["rule"]["reward"]) + gain
    found["prompt_scores"][name] = {"reward": rewards.tolist()}
    found["baselines"]["settings"][name] = {"uses_reward": uses_reward}
    return found


def test_a_gain_over_the_chosen_baseline_alone_is_not_ahead():
    (row,) = claim_rows([with_another(document(0.05), "lucky", 0.05)])
    assert (row.baseline, row.hardest, row.verdict) == ("rule", "lucky", PARTLY)
    assert row.gain - row.least_gain == pytest.approx(0.05)


def test_weaker_baselines_and_searches_that_use_the_reward_leave_an_agent_ahead():
    for name, gain, uses_reward in (("weak", -0.2, False), ("search", 1.0, True)):
        (row,) = claim_rows([with_another(document(0.05), name, gain, uses_reward)])
        assert (row.hardest, row.verdict) == ("rule", AHEAD)


def searched(gain, policy=AGENT):
    """A document with a beam that earns 0.05 more than the rule, on the split of the choice too."""
    found = with_another(document(gain), BEAM, 0.05) | {"policy": policy}
    found["prompt_scores"][policy] = found["prompt_scores"][AGENT]
    settings = found["baselines"]["settings"]
    settings["rule"]["reward"], settings[BEAM]["reward"] = 0.5, 0.55
    found["baselines"]["strongest"] = BEAM
    return found


def test_an_agent_behind_a_search_can_be_ahead_of_all_that_write_one_text():
    documents = [searched(0.03), document(0.0, seed=1)]
    assert [row.verdict for row in claim_rows(documents)] == [BEHIND, OPEN]
    (row,) = equal_cost_rows(documents)
    assert (row.baseline, row.hardest, row.verdict) == ("rule", "rule", AHEAD)
    assert documents[0]["baselines"]["strongest"] == BEAM


def test_agents_that_write_several_texts_have_no_cheaper_comparison():
    assert equal_cost_rows([searched(0.03, policy="agent, minimum Bayes risk of 16")]) == []
    assert equal_cost_rows([document(0.05)]) == []


def test_a_comparison_at_equal_cost_is_adjusted_for_all_claims():
    weak = searched(0.006)
    (alone,) = equal_cost_rows([weak])
    others = [document(0.0, seed=seed) for seed in range(4, 60)]
    (among,) = equal_cost_rows([weak, *others])
    assert (among.p, among.interval) == (alone.p, alone.interval)
    assert among.p_holm > alone.p_holm


def test_markdown_has_a_line_for_each_claim_the_largest_gain_first():
    lines = to_markdown(claim_rows([document(-0.05), document(0.05, seed=1)])).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| gain 0.05, PPO |")
    assert lines[2].endswith("| **ahead** |")


def test_markdown_names_the_best_baseline_where_it_is_not_the_chosen_one():
    other = with_another(document(0.05), "lucky", 0.02)
    lines = to_markdown(claim_rows([other, document(-0.05, seed=1)])).splitlines()
    assert "| lucky: +0.0" in lines[2]
    assert "| the same |" in lines[3]
