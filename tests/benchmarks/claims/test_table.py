"""The family of claims on rewards whose verdicts are known."""

import numpy as np
import pytest

from agents.evaluation.comparison import AGENT
from benchmarks.claims.table import AHEAD, BEHIND, OPEN, claim_rows, to_markdown

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
        "baselines": {"strongest": name},
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


def test_the_baseline_is_the_one_chosen_elsewhere_not_the_best_on_the_evaluated_prompts():
    found = document(0.05)
    lucky = {"reward": (np.array(found["prompt_scores"]["rule"]["reward"]) + 1.0).tolist()}
    found["prompt_scores"]["lucky"] = lucky
    (row,) = claim_rows([found])
    assert (row.baseline, row.verdict) == ("rule", AHEAD)


def test_markdown_has_a_line_for_each_claim_the_largest_gain_first():
    lines = to_markdown(claim_rows([document(-0.05), document(0.05, seed=1)])).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| gain 0.05, PPO |")
    assert lines[2].endswith("| **ahead** |")
