"""Statistics of policies on the same prompts: means, intervals and differences to the agent.

Owns what an evaluation reports. Runs no environment and reads no file.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.evaluation.intervals import holm, mean_and_interval, p_value
from agents.evaluation.metrics import corpus_measures, text_measures, zero_variance_share
from lm_envs.transcript import Transcript

AGENT, ORACLE = "agent", "oracle"
SAMPLED = "sampling"
"""Names of policies in `Rollouts`; `SAMPLED` is the baseline that samples at temperature 1."""

DECIMALS = 6
"""Decimals of each prompt's scores in a result."""

Rollouts = dict[str, list[list[Transcript]]]
"""Transcripts by policy, seed and prompt."""

PromptScores = dict[str, dict[str, np.ndarray]]
"""Values (S, P) by policy and score."""


def summarize(rollouts: Rollouts, scores: PromptScores | None = None) -> dict[str, Any]:
    """Computes each policy's scores with 95 % intervals, and the agent's reward against theirs.

    Args:
        rollouts: S seeds of P prompts each; one policy is named `AGENT`.
        scores: Their `prompt_scores`, if computed already.

    Returns:
        `seeds` and `prompts`, their numbers for the agent; `policies`, mean and interval of every
        score; `agent_interval_above`, whether the agent's interval lies above the policy's;
        `agent_ahead`, the difference of reward on the same prompts, whose interval is narrower
        because hard prompts are hard for both policies, and its `p_holm`, the p of no difference
        adjusted by Holm's method for the family of all policies but the oracle; `corpus`,
        measures of all texts together; and, with the sampling baseline, `prompts_without_variance`.
    """
    scores = prompt_scores(rollouts) if scores is None else scores
    policies = score_intervals(scores)
    low = policies[AGENT]["reward"]["interval"][0]
    is_above = {
        name: bool(low > policy["reward"]["interval"][1])
        for name, policy in policies.items()
        if name not in (AGENT, ORACLE)
    }
    summary = {
        "seeds": len(rollouts[AGENT]),
        "prompts": len(rollouts[AGENT][0]),
        "policies": policies,
        "agent_interval_above": is_above,
        "agent_ahead": _differences({name: arrays["reward"] for name, arrays in scores.items()}),
        "corpus": {name: corpus_measures(seeds) for name, seeds in rollouts.items()},
    }
    if SAMPLED in rollouts:
        summary["prompts_without_variance"] = zero_variance_share(rollouts[SAMPLED])
    return summary


def prompt_scores(rollouts: Rollouts) -> PromptScores:
    """Returns (S, P) values of each policy's scores, the reward first, by prompt."""
    return {name: _score_arrays(seeds) for name, seeds in rollouts.items()}


def prompt_rewards(rollouts: Rollouts) -> dict[str, np.ndarray]:
    """Returns (S, P) rewards of each policy, by prompt."""
    return {
        name: np.array([[each.scores["reward"] for each in seed] for seed in seeds])
        for name, seeds in rollouts.items()
    }


def listed_scores(scores: PromptScores) -> dict[str, dict[str, list[list[float]]]]:
    """Returns the values as lists of six decimals, for JSON."""
    return {
        name: {score: values.round(DECIMALS).tolist() for score, values in arrays.items()}
        for name, arrays in scores.items()
    }


def score_intervals(scores: PromptScores) -> dict[str, dict[str, dict[str, Any]]]:
    """Computes the mean and the 95 % interval of each policy's scores."""
    return {
        name: {score: mean_and_interval(values) for score, values in arrays.items()}
        for name, arrays in scores.items()
    }


def _differences(rewards: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Computes how far the agent's rewards (S, P) lie above each policy's, prompt by prompt."""
    others = {name: values for name, values in rewards.items() if name != AGENT}
    ahead = {name: rewards[AGENT] - values.mean(0) for name, values in others.items()}
    adjusted = holm({name: p_value(values) for name, values in ahead.items() if name != ORACLE})
    return {
        name: mean_and_interval(values) | ({"p_holm": adjusted[name]} if name in adjusted else {})
        for name, values in ahead.items()
    }


def _score_arrays(seeds: Sequence[Sequence[Transcript]]) -> dict[str, np.ndarray]:
    """Returns (S, P) values of each score, the reward first, and of the measures of any text."""
    names = ["reward", *(name for name in seeds[0][0].scores if name != "reward")]
    scores = {name: np.array([[t.scores[name] for t in ts] for ts in seeds]) for name in names}
    return scores | text_measures(seeds)
