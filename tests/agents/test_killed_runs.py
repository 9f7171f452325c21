"""Commands survive SIGKILL: nothing is torn or lost, and they end as if they were not killed.

`pytest tests/agents/test_killed_runs.py -m slow -s` prints one line of counts a family; the
environment variable LM_ENVS_KILLS replaces the number of kills of each.
"""

import json
import os

import numpy as np
import pytest
import yaml

from agents.config.pretrain import PretrainConfig
from agents.config.train import ALGORITHMS
from tests.agents.commands import pretrain, write_config
from tests.agents.exact_state import configured, fitted_reducer
from tests.agents.finetune_run import small_config
from tests.agents.imitation.small import FEW, finished_run, small_loop
from tests.agents.pretrain_run import VALUES
from tests.agents.tune.small_study import SEARCH, small
from tests.agents.victims import (
    DistillationVictim,
    LoopVictim,
    RatingVictim,
    RunVictim,
    StudyVictim,
)

EVERY = 48
"""Steps between checkpoints; a rollout has up to 64 steps more."""

TRIALS, PAIRS = 3, 12


def train_victim(family, folder, checkpoint):
    reducer = {"reducer": fitted_reducer(folder)} if family == "TabularQ" else {}
    config = configured(family, **reducer).model_copy(update={"checkpoint_every": EVERY})
    path = write_config(folder / "config.yaml", config)
    return RunVictim("train", path, folder / "test-s0", EVERY + 64, {"runs": folder})


def finetune_victim(family, folder, checkpoint):
    config = small_config(checkpoint, total_timesteps=192, checkpoint_every=EVERY)
    path = write_config(folder / "config.yaml", config)
    return RunVictim("finetune", path, folder / "test-s0", EVERY + 64, {"runs": folder})


def pretrain_victim(family, folder, checkpoint):
    values = {**VALUES, "run": str(folder / "run"), "context": 8, "batch_size": 2}
    values |= {"num_steps": 160, "evaluate_every": 48, "checkpoint_every": 48, "log_every": 8}
    path = write_config(folder / "config.yaml", PretrainConfig.model_validate(values))
    return RunVictim(pretrain, path, folder / "run", EVERY, {})


def distillation_victim(family, folder, checkpoint):
    run, _ = finished_run(checkpoint, folder / "runs")
    settings = FEW.model_copy(update={"steps": 30})
    return DistillationVictim(run, settings, folder / "distilled")


def loop_victim(family, folder, checkpoint):
    config = small_loop(checkpoint, imitation=FEW.model_copy(update={"steps": 15}))
    return LoopVictim(write_config(folder / "loop.yaml", config), folder, folder / "turns-s0")


def study_victim(family, folder, checkpoint):
    values = {**small().model_dump(mode="json"), "search": SEARCH}
    (path := folder / "c.yaml").write_text(yaml.safe_dump(values))
    return StudyVictim(path, folder / "study", TRIALS)


def rating_victim(family, folder, checkpoint):
    (prompts := folder / "prompts.txt").write_text("The sea\nThe law\nA house\nOne day\n")
    return RatingVictim(prompts, folder / "ratings", PAIRS)


FAMILIES = {
    **dict.fromkeys(ALGORITHMS, (train_victim, 14)),
    "finetune": (finetune_victim, 24),
    "pretrain": (pretrain_victim, 24),
    "distill": (distillation_victim, 14),
    "loop": (loop_victim, 10),
    "tune": (study_victim, 10),
    "rate": (rating_victim, 14),
}
"""Victims, and the kills of each in the long proof."""

FEW_KILLS = {"PPO": 4, "DQN": 4, "finetune": 3, "pretrain": 3, "distill": 3, "rate": 3}
"""Kills of some families in each run of the suite."""


def check(family, count, tmp_path, checkpoint):
    victim = FAMILIES[family][0](family, tmp_path, checkpoint)
    tally = victim.kill(count, np.random.default_rng(list(map(ord, family))))
    assert tally.kills >= count
    print(json.dumps({"family": family, **vars(tally)}))


@pytest.mark.parametrize("family", list(FEW_KILLS))
def test_a_few_kills_tear_and_lose_nothing(family, tmp_path, checkpoint):
    check(family, FEW_KILLS[family], tmp_path, checkpoint)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_two_hundred_kills_tear_and_lose_nothing(family, tmp_path, checkpoint):
    count = int(os.environ.get("LM_ENVS_KILLS", FAMILIES[family][1]))
    check(family, count, tmp_path, checkpoint)
