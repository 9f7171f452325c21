"""A study in a folder: its splits, its trials, and how others join it."""

from pathlib import Path

import pytest
from filelock import FileLock
from optuna.trial import TrialState

from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.tune import study as study_module
from agents.tune.__main__ import read_files
from agents.tune.space import read_space
from agents.tune.study import WORKER, WORKER_LOCK, Settings, open_study, run_trials, tuning_splits
from agents.tune.trial import TrialFailedError
from tests.agents.tune.small_study import KEY, SEARCH, small


@pytest.fixture
def space():
    return read_space(tuning_splits(small()), SEARCH)


def split_pair(config):
    return config.env.split, config.evaluation.split


@pytest.mark.parametrize(
    ("learned", "judged", "expected"),
    [
        ("train", "test", ("train", "validation")),
        ("train", "validation[:25%]", ("train", "validation[:25%]")),
        ("validation", "test", ("validation[:75%]", "validation[75%:]")),
        ("validation[:50%]", "validation[50%:]", ("validation[:50%]", "validation[50%:]")),
    ],
)
def test_trials_are_judged_on_validation_examples_that_are_not_learned(learned, judged, expected):
    config = small()
    config = config.model_copy(
        update={
            "env": config.env.model_copy(update={"split": learned}),
            "evaluation": config.evaluation.model_copy(update={"split": judged}),
        }
    )
    tuned = tuning_splits(config)
    assert split_pair(tuned) == expected
    assert TrainConfig.model_validate(tuned.model_dump()) == tuned


def test_learning_from_the_test_split_is_refused():
    config = small()
    config = config.model_copy(update={"env": config.env.model_copy(update={"split": "test"})})
    with pytest.raises(UserError, match=r"env.split='test'; allowed in a study"):
        tuning_splits(config)


def fake_trials(monkeypatch, *rewards):
    """Stands in for training: each trial gives the next reward, or raises it."""
    left = list(rewards)

    def run(config, runs, is_hopeless, *, trust_imports):
        reward = left.pop(0)
        if isinstance(reward, BaseException):
            raise reward
        return reward

    monkeypatch.setattr(study_module, "run_trial", run)


def test_the_first_trial_is_the_configuration_and_failed_ones_keep_their_line(
    space, tmp_path, monkeypatch
):
    fake_trials(monkeypatch, 0.5, TrialFailedError("ValueError: too bad"), 0.6)
    study = open_study(tmp_path, space, Settings())
    run_trials(study, space, tmp_path, 3)
    first, failed, last = study.trials
    assert space.to_values(first.params)[KEY] == 16
    assert failed.state is TrialState.FAIL
    assert failed.user_attrs["error"] == "ValueError: too bad"
    assert study.best_trial.number == last.number


def test_a_stopped_trial_is_repeated_and_does_not_count(space, tmp_path, monkeypatch):
    fake_trials(monkeypatch, 0.5, KeyboardInterrupt(), 0.7)
    study = open_study(tmp_path, space, Settings())
    with pytest.raises(KeyboardInterrupt):
        run_trials(study, space, tmp_path, 2)
    joined = open_study(tmp_path, space, Settings())
    run_trials(joined, space, tmp_path, 2)
    _, stopped, repeated = joined.trials
    assert repeated.params == stopped.params
    assert repeated.user_attrs["repeats"] == stopped.number
    assert [trial.value for trial in joined.trials] == [0.5, None, 0.7]


def test_the_trial_of_a_killed_process_is_repeated_at_once(space, tmp_path, monkeypatch):
    """Regression: it counted as running for a minute, and a study began again ended without it."""
    fake_trials(monkeypatch, 0.5)
    study = open_study(tmp_path, space, Settings())
    killed = study.ask()
    killed.set_user_attr(WORKER, "killed")
    (tmp_path / WORKER_LOCK.format("killed")).touch()
    run_trials(study, space, tmp_path, 1)
    dead, repeated = study.trials
    assert dead.state is TrialState.FAIL
    assert repeated.params == space.own_values()
    assert repeated.value == 0.5
    assert not list(tmp_path.glob(WORKER_LOCK.format("*")))


def test_a_trial_that_was_stopped_twice_keeps_the_name_of_its_run(space, tmp_path, monkeypatch):
    """Regression: the environment's seed depends on the name, so a repetition had other rewards."""
    names = []
    outcomes = [KeyboardInterrupt(), KeyboardInterrupt(), 0.5]

    def run(config, runs, is_hopeless, *, trust_imports):
        names.append(config.name)
        if isinstance(outcome := outcomes.pop(0), KeyboardInterrupt):
            raise outcome
        return outcome

    monkeypatch.setattr(study_module, "run_trial", run)
    study = open_study(tmp_path, space, Settings())
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_trials(study, space, tmp_path, 1)
    run_trials(study, space, tmp_path, 1)
    assert names == ["trial0000"] * 3
    assert [trial.value for trial in study.trials] == [None, None, 0.5]


def test_the_trial_of_another_living_process_is_left_alone(space, tmp_path, monkeypatch):
    fake_trials(monkeypatch, 0.5)
    study = open_study(tmp_path, space, Settings())
    study.ask().set_user_attr(WORKER, "other")
    with FileLock(tmp_path / WORKER_LOCK.format("other")):
        run_trials(study, space, tmp_path, 2)
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING, TrialState.COMPLETE]


@pytest.mark.parametrize(("pruner", "is_stopped"), [("median", True), ("none", False)])
def test_a_trial_below_the_median_is_stopped_before_its_last_evaluation(
    space, tmp_path, monkeypatch, pruner, is_stopped
):
    rewards = iter([0.5, 0.1])
    asked = []

    def run(config, runs, is_hopeless, *, trust_imports):
        reward = next(rewards)
        asked.extend(is_hopeless(number, reward) for number in (1, 2))
        return None if any(asked) else reward

    monkeypatch.setattr(study_module, "run_trial", run)
    study = open_study(tmp_path, space, Settings(pruner, startup=1))
    run_trials(study, space, tmp_path, 2)
    assert asked == [False, False, is_stopped, False]
    ended = TrialState.PRUNED if is_stopped else TrialState.COMPLETE
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, ended]


@pytest.mark.parametrize(
    ("config", "search", "pruner", "name"),
    [
        (small(seed=1), SEARCH, "median", "seed is 0 there and 1 here"),
        (small(), {KEY: SEARCH[KEY]}, "median", "learning_rate.low is 0.0001 there and None here"),
        (small(), SEARCH, "hyperband", "pruner is 'median' there and 'hyperband' here"),
    ],
)
def test_a_study_of_another_configuration_is_refused_by_name(
    space, tmp_path, config, search, pruner, name
):
    open_study(tmp_path, space, Settings())
    other = read_space(tuning_splits(config), search)
    with pytest.raises(UserError, match=f"of another configuration: .*{name}"):
        open_study(tmp_path, other, Settings(pruner))


def test_the_shipped_search_space_fits_its_configuration():
    files = (
        Path("configs/question_answering_ppo.yaml"),
        Path("configs/tune_question_answering.yaml"),
    )
    config, search = read_files(*files, [])
    tuned = tuning_splits(config)
    assert split_pair(tuned) == ("validation[25%:]", "validation[:25%]")
    assert read_space(tuned, search).own_values()["algorithm.kwargs.n_steps"] == "64"
