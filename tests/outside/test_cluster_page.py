"""The sizes in docs/cluster.md are those of the configuration's observations and policies."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from agents.algorithms.factory import make_policy
from agents.config.loading import load_config
from agents.config.train import TrainConfig
from lm_envs.envs.observations.base import column_box
from lm_envs.envs.observations.features import BudgetLeft, CandidateFeatures

CONFIG, K = Path("configs/next_word_ppo.yaml"), 16
POLICIES = {
    "CandidatePolicy": {},
    "MlpPolicy": {"policy": "MlpPolicy", "kwargs": {"policy_kwargs": {"net_arch": [128, 128]}}},
}


def observation(width):
    bound = np.ones(width)
    features = CandidateFeatures(K), BudgetLeft()
    others = {name: each for part in features for name, each in part.columns.items()}
    return column_box({"hidden": (-bound, bound), **others})


@pytest.mark.parametrize(("column", "width"), [(1, 256), (2, 768)])
def test_columns_and_parameters_are_those_of_the_code(column, width):
    rows = [line.split("|")[1:-1] for line in Path("docs/cluster.md").read_text().splitlines()]
    cells = {row[0].strip(): row[column] for row in rows if len(row) == 3}
    space = observation(width)
    size = space.shape[0]
    assert f"{size} " in cells["observation of a step"]
    assert f"{4 * size:,} B" in cells["observation of a step"]
    for name, changes in POLICIES.items():
        config = load_config(TrainConfig, CONFIG, [])
        algorithm = config.algorithm.model_copy(update=changes)
        config = config.model_copy(update={"algorithm": algorithm})
        parameters = make_policy(config, space, gym.spaces.Discrete(K)).parameters()
        count = sum(each.numel() for each in parameters)
        assert f"{count:,} parameters, {4 * count / 1e3:.0f} kB" in cells[f"weights, `{name}`"]
