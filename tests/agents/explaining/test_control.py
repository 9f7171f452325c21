import pytest

from agents.config.loading import UserError
from agents.explaining.control import control_report
from tests.agents.explaining.controls import small_report, small_sweep


def test_each_weight_has_the_measures_of_its_texts():
    report = small_report()
    assert [(row["score"], row["weight"]) for row in report["rows"]] == [
        ("repetition", -1.0),
        ("repetition", 1.0),
    ]
    assert report["measures"] == ["tokens", "fluency", "repetition", "sentiment"]
    for row in [*report["rows"], report["alone"]]:
        low, high = row["measures"]["tokens"]["interval"]
        assert 0 < low <= row["measures"]["tokens"]["mean"] <= high
        assert len(row["texts"]) == 3
    assert report["rewards"] == {"fluency": 1.0, "repetition": -1.0, "overlap": 0.5}


def test_a_change_is_the_last_weights_measure_less_the_first_ones():
    report = small_report()
    for name, change in report["changes"]["repetition"].items():
        first, last = (row["measures"][name]["mean"] for row in report["rows"])
        assert change["mean"] == pytest.approx(last - first)
        assert 0 <= change["p_holm"] <= 1


def test_finished_runs_are_used_again_and_other_ones_are_refused(tmp_path):
    sweep = small_sweep(tmp_path)
    first = control_report(sweep, tmp_path, "test", 4)
    folders = sorted(each.name for each in tmp_path.iterdir() if each.is_dir())
    assert folders == ["test-base-s0", "test-repetition_1-s0"]
    stamps = [(tmp_path / each / "result.json").stat().st_mtime_ns for each in folders]
    assert control_report(sweep, tmp_path, "test", 4) == first
    assert [(tmp_path / each / "result.json").stat().st_mtime_ns for each in folders] == stamps
    other = small_sweep(tmp_path, set=["total_timesteps=128"])
    with pytest.raises(UserError, match=r"total_timesteps=128 .* trained with 64; delete the"):
        control_report(other, tmp_path, "test", 4)


@pytest.mark.parametrize(
    ("updates", "split", "message"),
    [
        ({"weights": {"wit": [0.0, 1.0]}}, "test", r"unknown score 'wit'; allowed: fluency"),
        ({"weights": {"lm_envs.tasks.human:rating": [0.0, 1.0]}}, "test", r"allowed: dense=False"),
        ({"set": ["env.id=lm_envs/WeightTuning-v0", "env.kwargs={}"]}, "test", "writes no text"),
        ({}, "tset", "tset"),
        ({"config": "missing.yaml"}, "test", r"missing\.yaml"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused_before_training(tmp_path, updates, split, message):
    with pytest.raises((UserError, ValueError), match=message):
        control_report(small_sweep(tmp_path, **updates), tmp_path, split, 4)
    assert not [each for each in tmp_path.iterdir() if each.is_dir()]
