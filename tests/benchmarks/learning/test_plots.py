from benchmarks.learning import plots
from benchmarks.learning.summary import summarize
from tests.benchmarks.finished_runs import finished

FLAT = {"random": 0.5, "greedy": 0.5}


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_pictures_without_data_are_left_out(tmp_path):
    """No scale, so that there are no profiles; no shares, so that there is no data efficiency."""
    plots.draw(summarize([finished([0.0, 0.4], baselines=FLAT)], None), tmp_path)
    assert names(tmp_path) == {"curves.png", "wall_clock.png", "rewards.png"}


def test_all_pictures_are_png_files(tmp_path):
    runs = [
        finished([0.0, reward], name=name, split=split)
        for name, split, reward in (("smoke", "train", 0.4), ("smoke-50pct", "train[:50%]", 0.3))
    ]
    plots.draw(summarize(runs, 0.2), tmp_path)
    assert names(tmp_path) == {
        *("curves.png", "wall_clock.png", "rewards.png", "profiles.png"),
        "data_efficiency.png",
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
