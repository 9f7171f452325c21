"""Which baselines are run: those that apply to the environment, and slower ones on request.

Owns what each option of the command line adds. Runs nothing.
"""

from collections.abc import Sequence
from pathlib import Path

from agents.baselines.cloning import check_clonable, cloned
from agents.baselines.families import Environments, Family
from agents.baselines.fine_tuned import fine_tuned as by_fine_tuned
from agents.baselines.imitated_search import NAME as SEARCHED
from agents.baselines.imitated_search import imitated_search
from agents.baselines.registry import families
from agents.baselines.rules import subtitles
from agents.baselines.rules.dialogue import BELIEVED
from agents.baselines.rules.dialogue import NAME as CLASSIFIED
from agents.baselines.rules.simultaneous import confidence
from agents.baselines.rules.tuning import eviction, line_search
from agents.baselines.searches import searches
from agents.baselines.supervised import supervised
from agents.config.env_ids import has_oracle
from agents.config.finetune import FinetuneConfig
from agents.config.loading import UserError
from agents.config.train import ORACLE, TrainConfig
from lm_envs.validation import check_choice, did_you_mean

STARTS = (
    *(confidence.NAME, BELIEVED, CLASSIFIED, line_search.NAME, subtitles.NAME),
    eviction.NAME,
)
"""Rules that a search over plans begins with, the first one that applies."""


def requested_families(
    environments: Environments,
    split: str,
    *,
    search: bool = False,
    clone: bool = False,
    only: Sequence[str] = (),
    fine_tuned: Path | None = None,
) -> list[Family]:
    """Returns the baselines that apply, with those that take longer if they are requested.

    Args:
        environments: Makes rows.
        split: The evaluated split.
        search: With beams and best of n, or constant settings by evolution.
        clone: With the imitation of the oracle by the configuration's network, of the baseline
            that the agent began with, if any, and of a search over plans.
        only: Names of the baselines that are wanted; none for all.
        fine_tuned: Folder of a fine-tuned copy of the model: with what it writes greedily, and
            with `search` its minimum Bayes risk too.

    Raises:
        UserError: If nothing can be cloned, or there is no such folder.
        ValueError: If there is no baseline of a name.
    """
    found = families(environments, split)
    clones = _clones(environments.config, found) if clone else []  # may be refused
    found += searches(environments, split) if search else []
    found += clones
    if fine_tuned is not None:
        found += by_fine_tuned(environments, split, fine_tuned, search=search)
    for name in only:
        check_choice("baseline", name, [family.name for family in found])
    return [family for family in found if not only or family.name in only]


def _clones(config: TrainConfig, found: Sequence[Family]) -> list[Family]:
    """Returns the baselines that learn by imitation.

    Raises:
        UserError: If there are none.
    """
    if isinstance(config, FinetuneConfig):
        return [supervised(config)]
    searched = _searched(config, found)
    check_clonable(config, "--clone", has_teacher=bool(searched))
    clones = [cloned(config)] if has_oracle(config.env.id) else []
    if config.clone_policy != ORACLE:
        teacher = _teacher(config, [*found, *searched])
        clones += [cloned(config, teacher)] if teacher.name != SEARCHED else []
    return [*clones, *searched]


def _searched(config: TrainConfig, found: Sequence[Family]) -> list[Family]:
    """Returns the imitated search, if a rule applies that it can begin with."""
    names = {family.name: family for family in found}
    rules = [names[name] for name in STARTS if name in names]
    return [imitated_search(config, rules[0])] if rules else []


def teacher_of(environments: Environments, split: str) -> Family | None:
    """Returns the baseline that a new agent of a configuration imitates; None for the oracle.

    Args:
        environments: Makes rows.
        split: A split whose rows are needed anyway.

    Raises:
        UserError: If it is not among the baselines that apply to the environment.
    """
    config = environments.config
    if config.clone_policy == ORACLE:
        return None
    found = families(environments, split)
    return _teacher(config, [*found, *_searched(config, found)])


def _teacher(config: TrainConfig, found: Sequence[Family]) -> Family:
    """Returns the baseline that a configuration names, which is not the oracle."""
    names = {family.name: family for family in found}
    if config.clone_policy not in names:
        raise UserError(
            f"Got clone_policy={config.clone_policy!r}; allowed here: {ORACLE}, "
            f"{', '.join(names)}.{did_you_mean(config.clone_policy, names)}"
        )
    return names[config.clone_policy]
