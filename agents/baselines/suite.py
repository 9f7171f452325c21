"""All baselines of a configuration on one split: chosen on another, then compared.

Owns which of them is the strongest. Knows no agent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import typer

from agents.baselines.families import Environments, Family, Tuned, choice_split, tuned
from agents.evaluation.comparison import Rollouts
from agents.evaluation.rollouts import evenly_spaced_indices

SEEDS = 3
"""Seeds of baselines that draw."""

MOST_CHOICE_PROMPTS = 128
"""Prompts that settings are chosen on."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Baselines with chosen settings, and what they wrote on the evaluated split.

    Attributes:
        chosen: Families by name.
        rollouts: Transcripts by name, seed and prompt.
        chosen_on: The split of the choice.
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
        """Returns the choices for JSON."""
        return {
            "strongest": self.strongest,
            "chosen_on": self.chosen_on,
            "settings": {name: each.record() for name, each in self.chosen.items()},
        }


def run_suite(
    environments: Environments,
    split: str,
    indices: np.ndarray,
    families: Sequence[Family],
    *,
    most_choice_prompts: int = MOST_CHOICE_PROMPTS,
    shows_progress: bool = False,
) -> Suite:
    """Chooses the setting of each family on another split, then runs it on the evaluated one.

    Args:
        environments: Makes the rows.
        split: The evaluated split.
        indices: (E,) its examples.
        families: Of `agents.baselines.registry.families`, and others.
        most_choice_prompts: Largest number of prompts to choose on.
        shows_progress: Print each family's name to stderr before it is run.
    """
    other = choice_split(environments, split)
    places = evenly_spaced_indices(environments.get(other).num_examples, most_choice_prompts)
    chosen: dict[str, Tuned] = {}
    rollouts: Rollouts = {}
    for family in families:
        if shows_progress:
            typer.echo(f"{family.name} …", err=True)
        found = chosen[family.name] = tuned(family, environments, other, places)
        rollouts[family.name] = [
            family.run(environments, split, indices, found.setting, seed)
            for seed in range(SEEDS if family.is_drawn else 1)
        ]
    return Suite(chosen, rollouts, other)
