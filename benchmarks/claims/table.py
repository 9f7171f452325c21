"""Statistics of a family of claims: paired gains, Holm's adjustment, verdicts. Pure functions.

An agent is ahead if its gain over the strongest baseline, chosen on another split, holds among all
claims, and if the 95 % interval of its gain over every other baseline is above 0 too. The second
condition guards against a rule that was made by hand on the split of the choice, is strongest
there, and is weaker than others on the evaluated one.

Searches that write several texts for each prompt cost as many times what an agent costs. Agents are
also compared with the strongest baseline that writes one, as a family of its own.

Source of the adjustment: Holm 1979, "A simple sequentially rejective multiple test procedure".
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from agents.baselines.drafts import memory, ranking
from agents.baselines.fine_tuned import named
from agents.baselines.rules.simultaneous import agreement
from agents.baselines.searches import BEAM, FREQUENT_BEAM, MINIMUM_RISK
from agents.evaluation.comparison import AGENT
from agents.evaluation.intervals import LEVEL, holm, mean_and_interval, p_value
from agents.evaluation.report import p_text

AHEAD, BEHIND, OPEN = "ahead", "behind", "not apart"
PARTLY = "ahead, but not of all"
"""Ahead of the strongest baseline on the split of the choice, and not of every other."""

SEARCHES = (
    *(BEAM, FREQUENT_BEAM, MINIMUM_RISK, named(MINIMUM_RISK)),
    *(memory.NAME, ranking.NAME, agreement.NAME),
)
"""Baselines that draw or keep several texts for each prompt."""


@dataclass(frozen=True, slots=True)
class Row:
    """An agent beside its strongest baseline.

    Attributes:
        environment: Its name in the table.
        agent: Its name in the table.
        reward: Mean reward of the agent on the evaluated prompts.
        baseline: Name of the strongest baseline, as chosen on another split.
        baseline_reward: Its mean reward on the same prompts.
        gain: Mean difference, prompt by prompt.
        interval: Of the gain, 95 %, over seeds and prompts.
        hardest: Name of the baseline with the highest mean reward on the evaluated prompts.
        least_gain: Mean difference to it.
        least_interval: Of the least gain, 95 %, over seeds and prompts.
        p: Of no difference.
        p_holm: p adjusted for all claims of the family.
        seeds: Number of the agent's seeds.
        prompts: Number of evaluated prompts.
        verdict: `AHEAD`, `PARTLY`, `BEHIND` or `OPEN`.
    """

    environment: str
    agent: str
    reward: float
    baseline: str
    baseline_reward: float
    gain: float
    interval: tuple[float, float]
    hardest: str
    least_gain: float
    least_interval: tuple[float, float]
    p: float
    p_holm: float
    seeds: int
    prompts: int
    verdict: str

    def record(self) -> dict[str, Any]:
        """Returns the row for JSON."""
        return asdict(self)


def claim_rows(documents: Sequence[dict[str, Any]]) -> list[Row]:
    """Returns one row for each document of an evaluated claim, adjusted as one family.

    Args:
        documents: See `benchmarks.claims.evaluation.evaluate_claim`.
    """
    rows = [_row(document) for document in documents]
    adjusted = holm({str(place): row.p for place, row in enumerate(rows)})
    rows = [replace(row, p_holm=adjusted[str(place)]) for place, row in enumerate(rows)]
    return [replace(row, verdict=_verdict(row)) for row in rows]


def equal_cost_rows(documents: Sequence[dict[str, Any]]) -> list[Row]:
    """Returns a row for each agent that writes one text and whose best baseline is a search.

    Its baselines are those that write one text too. p is adjusted for all claims: the others count
    as they stand in the table of all baselines.

    Args:
        documents: As of `claim_rows`.
    """
    rows = claim_rows([_without_searches(each) for each in documents])
    before = claim_rows(documents)
    return [
        row
        for row, known, document in zip(rows, before, documents, strict=True)
        if document["policy"] == AGENT and not {known.baseline, known.hardest}.isdisjoint(SEARCHES)
    ]


def _without_searches(document: dict[str, Any]) -> dict[str, Any]:
    """Returns a document whose baselines cost no more than its agent."""
    baselines = document["baselines"]
    if document["policy"] != AGENT or set(SEARCHES).isdisjoint(baselines["settings"]):
        return document
    settings = {n: each for n, each in baselines["settings"].items() if n not in SEARCHES}
    policies = [name for name, each in settings.items() if not each["uses_reward"]]
    strongest = max(policies, key=lambda name: settings[name]["reward"])
    return document | {"baselines": baselines | {"strongest": strongest, "settings": settings}}


def _row(document: dict[str, Any]) -> Row:
    baselines, scores = document["baselines"], document["prompt_scores"]
    policies = [name for name, each in baselines["settings"].items() if not each["uses_reward"]]
    rewards = {name: np.array(scores[name]["reward"]) for name in policies}
    agent = np.array(scores[document["policy"]]["reward"])
    strongest = baselines["strongest"]
    hardest = max(policies, key=lambda name: rewards[name].mean())
    gains = {name: agent - rewards[name].mean(0) for name in (strongest, hardest)}
    gain, least = (mean_and_interval(gains[name]) for name in (strongest, hardest))
    p = p_value(gains[strongest])
    return Row(
        environment=document["environment"],
        agent=document["agent"],
        reward=float(agent.mean()),
        baseline=strongest,
        baseline_reward=float(rewards[strongest].mean()),
        gain=gain["mean"],
        interval=tuple(gain["interval"]),
        hardest=hardest,
        least_gain=least["mean"],
        least_interval=tuple(least["interval"]),
        p=p,
        p_holm=p,
        seeds=agent.shape[0],
        prompts=agent.shape[1],
        verdict=OPEN,
    )


def _verdict(row: Row) -> str:
    if row.p_holm >= LEVEL:
        return OPEN
    if row.gain < 0:
        return BEHIND
    return AHEAD if row.least_interval[0] > 0 else PARTLY


def to_markdown(rows: Sequence[Row]) -> str:
    """Returns the rows as a Markdown table, the largest gain first."""
    lines = [
        "| environment, agent | agent | strongest baseline | paired gain (95 %) | p (Holm) "
        "| best on the evaluated prompts | seeds, prompts | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: -row.gain):
        low, high = row.interval
        gain = f"{row.gain:+.3f} ({low:+.3f} … {high:+.3f})"
        verdict = f"**{row.verdict}**" if row.verdict == AHEAD else row.verdict
        baseline = f"{row.baseline}: {row.baseline_reward:.3f}"
        names = f"{row.environment}, {row.agent} | {row.reward:.3f} | {baseline}"
        numbers = f"{gain} | {p_text(row.p_holm)} | {_best(row)} | {row.seeds}, {row.prompts}"
        lines.append(f"| {names} | {numbers} | {verdict} |")
    return "\n".join(lines) + "\n"


def _best(row: Row) -> str:
    """Returns the cell of the baseline that is best on the evaluated prompts."""
    if row.hardest == row.baseline:
        return "the same"
    low, high = row.least_interval
    return f"{row.hardest}: {row.least_gain:+.3f} ({low:+.3f} … {high:+.3f})"
