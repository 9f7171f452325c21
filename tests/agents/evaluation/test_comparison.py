import numpy as np

from agents.evaluation.comparison import summarize
from lm_envs.transcript import Transcript


def transcript(reward):
    nothing = np.zeros(0, np.int64)
    scores = {"reward": float(reward)}
    return Transcript("p", "t", "r", nothing, nothing, nothing, nothing, (), "budget", scores)


def seeds_of(rewards):
    """Transcripts of seeds and prompts with these rewards (S, P)."""
    return [[transcript(reward) for reward in row] for row in rewards]


def test_an_interval_above_another_is_reported():
    rng = np.random.default_rng(0)
    written = {
        "agent": seeds_of(rng.normal(1.0, 0.1, (3, 40))),
        "greedy": seeds_of(rng.normal(0.5, 0.1, (1, 40))),
        "top-p": seeds_of(rng.normal(1.0, 0.1, (3, 40))),
    }
    summary = summarize(written)
    assert summary["agent_interval_above"] == {"greedy": True, "top-p": False}
    assert (summary["seeds"], summary["prompts"]) == (3, 40)


def test_differences_are_taken_on_the_same_prompts():
    rng = np.random.default_rng(0)
    hardness = rng.normal(0.0, 1.0, (1, 40))
    written = {
        "agent": seeds_of(hardness + 0.1 + rng.normal(0.0, 0.02, (3, 40))),
        "greedy": seeds_of(hardness),
    }
    summary = summarize(written)
    low, high = summary["agent_ahead"]["greedy"]["interval"]
    assert summary["agent_ahead"]["greedy"]["p_holm"] < 0.001
    assert 0.08 < low < summary["agent_ahead"]["greedy"]["mean"] < high < 0.12
    assert summary["agent_interval_above"] == {"greedy": False}


def test_means_lie_in_their_intervals_and_more_seeds_narrow_them():
    few, many = (
        summarize({"agent": seeds_of(np.linspace(-1, 1, count)[:, None].repeat(20, 1))})
        for count in (4, 40)
    )
    widths = []
    for summary in (few, many):
        score = summary["policies"]["agent"]["reward"]
        low, high = score["interval"]
        assert low <= score["mean"] <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_claims_against_more_baselines_need_more_evidence():
    rng = np.random.default_rng(3)
    values = 0.06 + rng.normal(0.0, 0.2, (1, 40))
    few = {"agent": seeds_of(values), "greedy": seeds_of(np.zeros((1, 40)))}
    noise = {f"policy {n}": seeds_of(values + rng.normal(0, 0.01, (1, 40))) for n in range(4)}
    alone, beside = (
        summarize(each)["agent_ahead"]["greedy"]["p_holm"] for each in (few, few | noise)
    )
    assert alone < beside
