"""Baselines that write by a fine-tuned copy of the environment's model.

Where there are references, supervised fine-tuning is what a reader tries first: an agent that
chooses among the tokens of a frozen model should be ahead of that model after it has learned from
the same examples. Owns which baselines are run so.
"""

from pathlib import Path

import numpy as np

from agents.baselines.families import Environments, Family, Setting
from agents.baselines.registry import families
from agents.baselines.searches import MINIMUM_RISK, searches
from agents.config.loading import UserError
from agents.evaluation.baselines import GREEDY
from lm_envs.transcript import Transcript


def named(baseline: str) -> str:
    """Returns the name of a baseline that writes by the fine-tuned model."""
    return f"{baseline}, fine-tuned"


def fine_tuned(
    environments: Environments, split: str, model: Path, *, search: bool
) -> list[Family]:
    """Returns greedy decoding by another model, in the same environment otherwise.

    Args:
        environments: Makes rows of the model that the agent acts on.
        split: A split whose rows are needed anyway.
        model: Folder of the fine-tuned model.
        search: Also minimum Bayes risk.

    Raises:
        UserError: If there is no such folder, or the environment has no tokens to write.
    """
    if not model.is_dir():
        raise UserError(
            f"Got fine_tuned={str(model)!r}, which is no folder; allowed: the folder of a model, "
            "such as runs/<name>-s<seed>/model of python -m agents.finetune."
        )
    others = Environments(environments.config.with_env_kwargs(model=str(model)))
    found = [*families(others, split), *(searches(others, split) if search else [])]
    kept = [each for each in found if each.name in (GREEDY, MINIMUM_RISK)]
    if not kept:
        raise UserError(
            f"Got fine_tuned={str(model)!r} for {environments.config.env.id}, which has no greedy "
            "baseline; allowed: environments that write text token by token."
        )
    return [_by(others, each) for each in kept]


def _by(others: Environments, family: Family) -> Family:
    """Returns a family that runs in other environments, whatever it is given."""

    def run(
        environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
    ) -> list[Transcript]:
        return family.run(others, split, indices, setting, seed)

    return Family(named(family.name), family.search, run, family.is_drawn)
