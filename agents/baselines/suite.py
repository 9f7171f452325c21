"""All baselines of a configuration on one split: chosen on another, then compared.

Owns which of them is the strongest. Knows no agent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import typer

from agents.baselines.families import Environments, Family, Tuned, choice_split, fixed, tuned
from agents.baselines.searches import BEST, best_of_curve
from agents.evaluation.comparison import Rollouts
from agents.evaluation.rollouts import evenly_spaced_indices

SEEDS = (0, 1, 2)
"""Seeds of baselines that draw."""

LEAST_CHOICE_PROMPTS, MOST_CHOICE_PROMPTS = 8, 128
"""Prompts that settings are chosen on. With fewer evaluated prompts than the least, which would
choose by chance, only baselines without a setting are run and none is the strongest."""


CLONE_HELP = "also imitate the oracle, and a search over plans, by the same network"
FINE_TUNED_HELP = "also what this fine-tuned copy of the model writes: its folder"
SEARCH_HELP = "also beams and best of n; constant settings where a model is adjusted"


@dataclass(frozen=True, slots=True)
class Suite:
    """Baselines with chosen settings, and what they wrote on the evaluated split.

    Attributes:
        chosen: Families by name.
        rollouts: Transcripts by name, seed and prompt.
        chosen_on: The split of the choice; empty if there was none.
    """

    chosen: dict[str, Tuned]
    rollouts: Rollouts
    chosen_on: str

    @property
    def strongest(self) -> str:
        """Name of the baseline of highest mean reward on the split of the choice.

        Searches that compute rewards of the evaluated prompts do not count.
        """
        policies = {
            n: each.reward for n, each in self.chosen.items() if not each.family.uses_reward
        }
        return max(policies, key=lambda name: policies[name])

    def record(self) -> dict[str, Any]:
        """Returns the choices for JSON by the key `baselines`; nothing if there were none."""
        if not self.chosen:
            return {}
        settings = {name: each.record() for name, each in self.chosen.items()}
        found = {"strongest": self.strongest, "chosen_on": self.chosen_on, "settings": settings}
        return {"baselines": found}


def run_suite(
    environments: Environments,
    split: str,
    indices: np.ndarray,
    families: Sequence[Family],
    *,
    seeds: Sequence[int] = SEEDS,
    shows_progress: bool = False,
) -> Suite:
    """Chooses the setting of each family on another split, then runs it on the evaluated one.

    Args:
        environments: Makes the rows.
        split: The evaluated split.
        indices: (E,) its examples.
        families: Of `agents.baselines.registry.families`, and others.
        seeds: Of families that draw; the others take the first.
        shows_progress: Print each family's name to stderr before it is run.
    """
    can_choose = len(indices) >= LEAST_CHOICE_PROMPTS
    other, places = _choice(environments, split, len(indices)) if can_choose else ("", indices)
    chosen: dict[str, Tuned] = {}
    rollouts: Rollouts = {}
    for family in families:
        if not can_choose and family.search is not fixed:
            continue
        if shows_progress:
            typer.echo(f"{family.name} …", err=True)
        if can_choose:
            chosen[family.name] = tuned(family, environments, other, places)
        setting = chosen[family.name].setting if can_choose else None
        rollouts[family.name] = [
            family.run(environments, split, indices, setting, seed)
            for seed in (seeds if family.is_drawn else seeds[:1])
        ]
    return Suite(chosen, rollouts, other)


def best_of_record(
    environments: Environments, split: str, indices: np.ndarray, suite: Suite
) -> dict[str, Any]:
    """Returns the curve of best of n for JSON; nothing if the suite has no best of n."""
    if BEST not in suite.chosen:
        return {}
    temperature = suite.chosen[BEST].setting
    curve = best_of_curve(environments, split, indices, temperature)
    return {"best_of_n": {"temperature": temperature, "curve": curve}}


def _choice(environments: Environments, evaluated: str, count: int) -> tuple[str, np.ndarray]:
    """Returns the split that settings are chosen on, and its examples, at most `count`."""
    split = choice_split(environments, evaluated)
    num_examples = environments.get(split).num_examples
    return split, evenly_spaced_indices(num_examples, min(count, MOST_CHOICE_PROMPTS))
