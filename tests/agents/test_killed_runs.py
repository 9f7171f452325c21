"""Runs survive SIGKILL: nothing is torn or lost, and they end as runs that were not killed.

`pytest tests/agents/test_killed_runs.py -m slow -s` prints one line of counts a family; the
environment variable LM_ENVS_KILLS replaces the number of kills of each.
"""

import json
import os

import numpy as np
import pytest

from agents.config.pretrain import PretrainConfig
from tests.agents.commands import pretrain, write_config
from tests.agents.exact_state import configured
from tests.agents.finetune_run import small_config
from tests.agents.killing import Victim
from tests.agents.pretrain_run import VALUES

EVERY = 48
"""Steps between checkpoints; a rollout has up to 64 steps more."""
FAMILIES = {
    **dict.fromkeys(("PPO", "A2C", "TRPO", "MaskablePPO", "RecurrentPPO", "ARS"), 18),
    **dict.fromkeys(("DQN", "SAC", "TD3"), 18),
    **{"finetune": 24, "pretrain": 24},
}
"""Kills of each family in the long proof."""
FEW = {"PPO": 4, "DQN": 4, "pretrain": 2}
"""Kills of three families in each run of the suite."""


def make_victim(family, tmp_path, checkpoint):
    path = tmp_path / "config.yaml"
    if family == "finetune":
        config = small_config(checkpoint, total_timesteps=192, checkpoint_every=EVERY)
        main, folder, options = "finetune", tmp_path / "test-s0", {"runs": tmp_path}
    elif family == "pretrain":
        values = {**VALUES, "run": str(tmp_path / "run"), "context": 8, "batch_size": 2}
        values |= {"num_steps": 160, "evaluate_every": 48, "checkpoint_every": 48, "log_every": 8}
        config = PretrainConfig.model_validate(values)
        main, folder, options = pretrain, tmp_path / "run", {}
    else:
        config = configured(family).model_copy(update={"checkpoint_every": EVERY})
        main, folder, options = "train", tmp_path / "test-s0", {"runs": tmp_path}
    return Victim(main, write_config(path, config), folder, EVERY + 64, options)


def check(family, count, tmp_path, checkpoint):
    victim = make_victim(family, tmp_path, checkpoint)
    tally = victim.kill(count, np.random.default_rng(list(map(ord, family))))
    assert tally.kills >= count
    print(json.dumps({"family": family, "interval": EVERY, **vars(tally)}))


@pytest.mark.parametrize("family", list(FEW))
def test_a_few_kills_tear_and_lose_nothing(family, tmp_path, checkpoint):
    check(family, FEW[family], tmp_path, checkpoint)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_two_hundred_kills_tear_and_lose_nothing(family, tmp_path, checkpoint):
    count = int(os.environ.get("LM_ENVS_KILLS", FAMILIES[family]))
    check(family, count, tmp_path, checkpoint)
