"""The file of claims: which agents are compared, with how many seeds, against which baselines.

Owns the format of the file. Trains nothing.
"""

from pydantic import Field

from agents.baselines.suite import SEEDS
from agents.config.loading import Config, UserError
from agents.config.train import TrainConfig
from benchmarks.learning.sweep import RunsConfig, SweepConfig, make_configs


class ClaimConfig(Config):
    """One claim: the agent of a configuration is ahead of its strongest baseline.

    Attributes:
        config: YAML file of `agents.train` or `agents.finetune`.
        environment: What the table calls the environment.
        agent: What the table calls the agent.
        seeds: One run for each seed.
        set: Assignments that override the file.
        label: Ends the name of the runs, where several claims share a file.
        split: The evaluated split, which is read once.
        episodes: Largest number of its prompts.
        search: Also beams, minimum Bayes risk and best of n; constant settings by evolution.
        clone: Also behavior cloning by the agent's network.
        mbr: Compare the most typical of so many texts that an agent draws; 0 for its one text.
        fine_tuned: YAML file of `agents.finetune`: its model, of seed 0, writes baselines; empty
            for none.
        draws: Seeds of baselines that draw their texts: one suffices where prompts are many.
        only: Names of the baselines that are run, where others are known to be far behind and
            slow; none for all.
    """

    config: str
    environment: str
    agent: str
    seeds: list[int] = Field(min_length=2)
    set: list[str] = Field(default_factory=list)
    label: str | None = None
    split: str = "test"
    episodes: int = Field(default=1_000, ge=8)
    search: bool = True
    clone: bool = True
    mbr: int = Field(default=0, ge=0)
    fine_tuned: str = ""
    draws: int = Field(default=len(SEEDS), ge=1, le=len(SEEDS))
    only: list[str] = Field(default_factory=list)


class ClaimsConfig(Config):
    """A file of claims, which are tested as one family."""

    claims: list[ClaimConfig] = Field(min_length=1)


def claim_configs(claim: ClaimConfig) -> list[TrainConfig]:
    """Returns the configuration of each seed of a claim.

    Raises:
        UserError: If the file is not valid, or trains or chooses on the evaluated split.
    """
    runs = RunsConfig(config=claim.config, seeds=claim.seeds, set=claim.set, label=claim.label)
    configs = make_configs(SweepConfig(runs=[runs]))
    _check_splits(claim, claim.config, configs[0])
    return configs


def fine_tuning(claim: ClaimConfig) -> TrainConfig | None:
    """Returns the configuration of the fine-tuned model of a claim; None if it has none.

    Raises:
        UserError: If the file is not valid, or trains or chooses on the evaluated split.
    """
    if not claim.fine_tuned:
        return None
    config = make_configs(SweepConfig(runs=[RunsConfig(config=claim.fine_tuned, seeds=[0])]))[0]
    _check_splits(claim, claim.fine_tuned, config)
    return config


def _check_splits(claim: ClaimConfig, file: str, config: TrainConfig) -> None:
    used = {"env.split": config.env.split, "evaluation.split": config.evaluation.split}
    for key, split in used.items():
        if split.partition("[")[0] == claim.split.partition("[")[0]:
            raise UserError(
                f"Got {key}={split!r} in {file} for a claim on {claim.split!r}; allowed: "
                "other splits, because the evaluated one is read once, at the end."
            )
