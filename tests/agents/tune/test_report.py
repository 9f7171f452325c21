"""The report of a study: best configuration, importances, failures."""

import optuna
import pytest

from agents.config.loading import UserError, load_config
from agents.config.train import TrainConfig
from agents.tune.report import print_report, report
from agents.tune.space import read_space
from agents.tune.study import ERROR, tuning_splits
from tests.agents.tune.small_study import KEY, SEARCH, small


def made_study(space, rewards):
    """A study in memory, in which a reward of None is a failure."""
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(space.own_values())
    for reward in rewards:
        trial = study.ask()
        space.suggest(trial)
        if reward is None:
            trial.set_user_attr(ERROR, "ValueError: too bad")
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, reward)
    return study


def test_a_configuration_that_learns_from_validation_is_judged_on_the_rest_of_it(tmp_path):
    """As configs/question_answering_ppo.yaml, which is judged on test."""
    env = small().env.model_copy(update={"split": "validation"})
    evaluation = small().evaluation.model_copy(update={"split": "test"})
    space = read_space(tuning_splits(small(env=env, evaluation=evaluation)), SEARCH)
    report(made_study(space, [0.1, 0.2]), space, tmp_path)
    best = load_config(TrainConfig, tmp_path / "best.yaml")
    assert (best.env.split, best.evaluation.split) == ("validation[:75%]", "validation[75%:]")


@pytest.fixture
def config():
    evaluation = small().evaluation.model_copy(update={"split": "test"})
    return small(evaluation=evaluation)


def test_the_best_trial_is_a_ready_configuration_that_does_not_read_the_test_split(
    config, tmp_path, capsys
):
    space = read_space(tuning_splits(config), SEARCH)
    study = made_study(space, [0.1, None, 0.9, *[0.2 + 0.01 * n for n in range(12)]])
    result = report(study, space, tmp_path)
    best = load_config(TrainConfig, tmp_path / "best.yaml")
    assert best.algorithm.kwargs[KEY.rsplit(".", 1)[1]] == result["best"]["values"][KEY]
    assert config.evaluation.split == "test"
    assert best.evaluation.split == "validation"
    assert best.name == "test_tuned"
    assert sum(result["importances"].values()) == pytest.approx(1.0)
    assert (tmp_path / "importance.png").read_bytes().startswith(b"\x89PNG")
    print_report(result, config)
    shown = capsys.readouterr().out
    assert "trial 1 failed: ValueError: too bad" in shown
    assert "held-out reward: 0.900 (trial 2); the configuration itself: 0.100" in shown


def test_a_study_whose_trials_all_failed_gives_the_first_error(config, tmp_path):
    space = read_space(tuning_splits(config), SEARCH)
    with pytest.raises(UserError, match=r"Got no complete trial in .*: ValueError: too bad"):
        report(made_study(space, [None, None]), space, tmp_path)
