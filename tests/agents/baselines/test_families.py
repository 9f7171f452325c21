import numpy as np
import pytest

from agents.baselines.families import (
    Environments,
    Family,
    by_policy,
    choice_split,
    fixed,
    grid,
    tuned,
)
from agents.config.loading import UserError
from agents.evaluation.baselines import sampling
from agents.evaluation.rollouts import run_episodes
from tests.agents.finished_run import CONFIG, changed


@pytest.fixture(scope="module")
def environments():
    return Environments(CONFIG)


def scored(rewards):
    """A family whose setting is a place among rewards that are known, and the splits it ran on."""
    splits = []

    class Written:
        def __init__(self, reward):
            self.scores = {"reward": reward}

    def run(environments, split, indices, setting, seed):
        splits.append(split)
        return [Written(rewards[setting])] * len(indices)

    return Family("scored", grid(*range(len(rewards))), run), splits


def test_the_setting_of_highest_reward_is_chosen_and_the_first_of_equal_ones(environments):
    family, splits = scored([0.2, 0.7, 0.1, 0.7])
    found = tuned(family, environments, "validation", np.arange(3))
    assert (found.setting, found.reward) == (1, pytest.approx(0.7))
    assert set(splits) == {"validation"}
    record = found.record()
    assert record["chosen_on"] == "validation"
    assert [trial[0] for trial in record["trials"]] == [0, 1, 2, 3]


def test_a_baseline_without_a_setting_has_one_trial(environments):
    family = Family("plain", fixed, by_policy(lambda setting, seed: sampling(1.0, seed)))
    found = tuned(family, environments, "validation", np.arange(3))
    assert (found.setting, len(found.trials)) == (None, 1)


def test_a_run_by_policy_is_the_policy_on_the_split(environments):
    run = by_policy(sampling)
    texts = [t.text for t in run(environments, "test", np.arange(3), 0.7, 5)]
    expected = run_episodes(environments.get("test"), sampling(0.7, 5), np.arange(3))
    assert texts == [t.text for t in expected]


@pytest.mark.parametrize(
    ("learned", "evaluated", "expected"),
    [
        ("train", "test", "validation"),
        ("validation", "test", "validation"),
        ("train", "validation", "train"),
        ("validation[:5%]", "validation[:50%]", "train"),
        ("train", "train", "validation"),
    ],
)
def test_settings_are_chosen_on_a_split_that_is_not_evaluated(learned, evaluated, expected):
    env = CONFIG.env.model_copy(update={"split": learned})
    assert choice_split(Environments(changed(env=env)), evaluated) == expected


def test_data_of_one_split_cannot_choose(environments, monkeypatch):
    def missing(split, actions=None, least_rows=1):
        raise ValueError(f"no split {split!r}.")

    monkeypatch.setattr(environments, "get", missing)
    with pytest.raises(UserError, match="Got split='test' and no other split to choose baselines"):
        choice_split(environments, "test")


def test_rows_are_made_once_and_with_other_actions_on_request(environments):
    assert environments.get("test") is environments.get("test")
    free = environments.get("test", "vocabulary")
    assert free.single_action_space.n == len(free.tokenizer)
    usual = environments.get("test").num_envs
    assert environments.get("test", least_rows=usual + 2).num_envs == usual + 2
    assert environments.get("test", least_rows=usual - 1) is environments.get("test")
