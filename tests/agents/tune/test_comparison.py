"""The best configuration and the given one on the test split, which is read once."""

import json
import shutil

import pytest

from agents.config.loading import UserError
from agents.tune.__main__ import main
from agents.tune.comparison import FILE, compare_on_test, print_comparison
from tests.agents.tune.small_study import small


def faster(**updates):
    """The small configuration under the name of a best one, with a larger learning rate."""
    kwargs = {**small().algorithm.kwargs, "learning_rate": "lin_5.0e-3"}
    algorithm = small().algorithm.model_copy(update={"kwargs": kwargs})
    return small(name="test_tuned", algorithm=algorithm, total_timesteps=64, **updates)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return folder, compare_on_test(small(total_timesteps=64), faster(), folder, 2)


def test_both_are_trained_with_seeds_that_no_trial_used(study):
    folder, result = study
    assert result["run_seeds"] == [1, 2]
    runs = sorted(path.name for path in (folder / "final").iterdir())
    assert runs == ["test-s1", "test-s2", "test_tuned-s1", "test_tuned-s2"]
    assert result["split"] == "test"
    assert set(result["policies"]) == {"agent", "configuration"}


def test_the_difference_is_printed_with_its_interval(study, capsys):
    folder, result = study
    print_comparison(result, folder)
    shown = capsys.readouterr().out
    ahead = result["agent_ahead"]["configuration"]
    assert f"difference: {ahead['mean']:+.3f} [{ahead['interval'][0]:+.3f}, " in shown
    assert "new seeds 1, 2" in shown


def test_a_second_reading_returns_the_first_one(study):
    folder, result = study
    before = (folder / FILE).stat().st_mtime_ns
    assert compare_on_test(small(total_timesteps=64), faster(), folder, 2) == result
    assert (folder / FILE).stat().st_mtime_ns == before


def test_another_best_configuration_or_other_seeds_are_refused(study):
    folder, _ = study
    with pytest.raises(UserError, match="of another best trial or of other seeds; allowed: one re"):
        compare_on_test(small(total_timesteps=64), faster(keep_best=False), folder, 2)
    with pytest.raises(UserError, match="of another best trial or of other seeds"):
        compare_on_test(small(total_timesteps=64), faster(), folder, 3)


def test_a_run_of_a_former_best_configuration_is_refused(study, tmp_path):
    """Regression: a stopped comparison was continued with its agents after further trials."""
    folder, result = study
    shutil.copytree(folder / "final", tmp_path / "final")
    assert compare_on_test(small(total_timesteps=64), faster(), tmp_path, 2) == result
    (tmp_path / FILE).unlink()
    with pytest.raises(UserError, match=r"keep_best=False for .*trained with True; .*--study"):
        compare_on_test(small(total_timesteps=64), faster(keep_best=False), tmp_path, 2)


def test_one_command_searches_and_compares(tmp_path, capsys):
    import yaml

    from tests.agents.tune.small_study import SEARCH

    path = tmp_path / "c.yaml"
    config = small(total_timesteps=64).model_dump(mode="json")
    path.write_text(yaml.safe_dump({**config, "search": SEARCH}))
    main(path, study=tmp_path / "s", trials=1, startup=1, compare=1, as_json=True)
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["test"]["run_seeds"] == [1]
    assert json.loads((tmp_path / "s" / FILE).read_text()) == result["test"]
