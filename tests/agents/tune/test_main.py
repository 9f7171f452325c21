"""`agents.tune`: a study of real trials, and options that are refused before any."""

import json
import sys

import pytest
import yaml

from agents.config.loading import UserError, load_config
from agents.config.train import TrainConfig
from agents.tune.__main__ import main, read_files, tune
from tests.agents.tune.small_study import SEARCH, small


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A configuration with a search space, as a file."""
    path = tmp_path_factory.mktemp("files") / "c.yaml"
    path.write_text(yaml.safe_dump({**small().model_dump(mode="json"), "search": SEARCH}))
    return path


def test_three_trials_make_a_study_which_a_second_start_joins(file, tmp_path, capsys):
    main(file, study=tmp_path / "s", trials=2, startup=1, as_json=True)
    first = json.loads(capsys.readouterr().out)
    assert first["trials"].get("complete", 0) >= 1
    assert first["split"] == "validation"
    main(file, study=tmp_path / "s", trials=3, startup=1, as_json=True)
    shown = capsys.readouterr()
    assert sum(json.loads(shown.out)["trials"].values()) == 3
    assert "trial 2: " in shown.err
    assert "trial 1: " not in shown.err
    assert load_config(TrainConfig, tmp_path / "s" / "best.yaml").name == "test_tuned"


def test_one_search_space_is_needed(file, tmp_path):
    alone = tmp_path / "search.yaml"
    alone.write_text(yaml.safe_dump({"search": SEARCH}))
    assert read_files(file, None, []) == (small(), SEARCH)
    with pytest.raises(UserError, match="Got 2 search spaces"):
        read_files(file, alone, [])
    plain = tmp_path / "plain.yaml"
    plain.write_text(yaml.safe_dump(small().model_dump(mode="json")))
    assert read_files(plain, alone, ["seed=3"]) == (small(seed=3), SEARCH)
    with pytest.raises(UserError, match=r"Got 0 search spaces; allowed: one"):
        read_files(plain, None, [])


@pytest.mark.parametrize(
    ("search", "options", "message"),
    [
        (SEARCH, {"pruner": "best"}, "Got pruner='best'; allowed: 'median'"),
        (SEARCH, {"trials": 0}, "Got trials=0"),
        ({"env.kwargs.max_new_tokens": {"low": 0, "high": 5}}, {}, "Got max_new_tokens=0; allowed"),
    ],
)
def test_a_wrong_option_leaves_no_folder(search, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        tune(small(), search, tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_a_missing_optuna_is_refused_with_the_line_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ModuleNotFoundError, match=r"'optuna'; .*`pip install lm_envs\[tune\]`"):
        tune(small(), SEARCH, tmp_path / "s")
    assert not (tmp_path / "s").exists()
