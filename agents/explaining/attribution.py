"""Which groups of the observation decided, and whether removing them changes what is done.

Groups are ranked on one half of the episodes and removed on the other half, so that the check is
held out. Owns the split and what counts as important.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.evaluation.intervals import mean_and_interval
from agents.explaining.groups import replaced
from agents.explaining.shapley import coalition_values, shapley_values
from agents.explaining.steps import (
    StepArrays,
    actions_for,
    are_different,
    preference_for_taken,
)

MOST_STEPS = 400
"""Steps that Shapley values are computed for; evenly spaced among all."""

REPEATS = 8
"""Other steps that each step's groups are replaced by in the check."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Shapley values of groups, and the check.

    Attributes:
        importance: By group: mean and 95 % interval over episodes of the absolute Shapley value.
        shares: By group: its share of the sum of all.
        background: Number of other steps that absent groups were taken from.
        check: Result of `removal_check`.
    """

    importance: dict[str, dict[str, Any]]
    shares: dict[str, float]
    background: int
    check: dict[str, Any]


def attribute(
    agent: BaseAlgorithm, steps: StepArrays, groups: Mapping[str, slice], background: int, seed: int
) -> Attribution:
    """Ranks the groups on the first half of the episodes, and checks them on the second.

    Args:
        agent: With preferences for discrete actions.
        steps: Of two episodes or more.
        groups: Columns by name.
        background: B, other steps that absent groups are taken from.
        seed: Of the drawn steps.
    """
    rng = np.random.default_rng(seed)
    is_first = steps.episodes < (steps.episodes.max() + 1) / 2
    ranked, held_out = steps.select(is_first), steps.select(~is_first)
    places = np.linspace(0, len(ranked.actions) - 1, min(MOST_STEPS, len(ranked.actions)))
    ranked = ranked.select(places.round().astype(int))
    values = values_of_steps(agent, ranked, drawn(held_out, background, rng), groups)
    sizes = _by_episode(np.abs(values), ranked.episodes)  # (G, E)
    importance = {
        name: mean_and_interval(size[None]) for name, size in zip(groups, sizes, strict=True)
    }
    total = sum(each["mean"] for each in importance.values()) or 1.0
    shares = {name: each["mean"] / total for name, each in importance.items()}
    check = removal_check(agent, held_out, groups, important_groups(shares), rng)
    return Attribution(importance, shares, background, check)


def values_of_steps(
    agent: BaseAlgorithm, steps: StepArrays, background: np.ndarray, groups: Mapping[str, slice]
) -> np.ndarray:
    """Returns Shapley values (G, S) of the steps."""
    preference = preference_for_taken(agent, steps)
    return shapley_values(coalition_values(preference, steps.observations, background, groups))


def drawn(steps: StepArrays, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns the observations (B, D) of steps that are drawn without replacement."""
    size = min(count, len(steps.actions))
    return steps.observations[rng.choice(len(steps.actions), size, replace=False)]


def important_groups(shares: Mapping[str, float]) -> list[str]:
    """Returns the groups whose share is above the mean, the largest first; at least one."""
    names = sorted(shares, key=lambda name: -shares[name])
    return [name for name in names if shares[name] > 1 / len(shares)] or names[:1]


def removal_check(
    agent: BaseAlgorithm,
    steps: StepArrays,
    groups: Mapping[str, slice],
    important: list[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Measures how often the action changes if groups are those of another held-out step.

    Returns:
        `important` and `others`, the names; `by_group`, `important_changes` and `others_changes`,
        the share of steps whose action changes, with 95 % intervals over episodes: of each group
        alone, of all important ones together, and of all others together; `difference` of the
        latter two; `is_true`, whether its interval lies above 0.
    """
    others = [name for name in groups if name not in important]
    sets = [set(important), set(others), *({name} for name in groups)]
    own, other, *alone = _changes_by_episode(agent, steps, groups, sets, rng)
    difference = mean_and_interval((own - other)[None])
    return {
        "important": important,
        "others": others,
        "by_group": {n: mean_and_interval(c[None]) for n, c in zip(groups, alone, strict=True)},
        "important_changes": mean_and_interval(own[None]),
        "others_changes": mean_and_interval(other[None]),
        "difference": difference,
        "is_true": bool(difference["interval"][0] > 0),
        "steps": len(steps.actions),
        "episodes": len(own),
    }


def _changes_by_episode(
    agent: BaseAlgorithm,
    steps: StepArrays,
    groups: Mapping[str, slice],
    sets: Sequence[set[str]],
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Returns for each set of groups the share (E,) of steps whose preferred action changes."""
    numbers, act = np.arange(len(steps.actions)), actions_for(agent, steps)
    sources = [rng.permutation(len(numbers)) for _ in range(REPEATS)]
    before = act(steps.observations, numbers)
    found = []
    for names in sets:
        changed = np.zeros(len(numbers))
        for source in sources:
            shown = replaced(steps.observations, steps.observations[source], groups, names)
            changed += are_different(agent, act(shown, numbers), before)
        found.append(_by_episode(changed[None] / REPEATS, steps.episodes)[0])
    return found


def _by_episode(values: np.ndarray, episodes: np.ndarray) -> np.ndarray:
    """Returns the mean (G, E) of values (G, S) over the steps of each episode."""
    return np.stack([values[:, episodes == each].mean(1) for each in np.unique(episodes)], 1)
