import pytest

from agents.evaluation import plots

LOG = [
    {"step": 0, "training_reward": None, "held_out": {"reward": 0.0}},
    {"step": 64, "training_reward": 0.5, "held_out": {"reward": 0.4}},
]
LOSSES = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "held_out": {"prose": 1.5}}]


@pytest.mark.parametrize(
    ("draw", "arguments"),
    [
        (plots.reward_curve, (LOG, {"greedy": 0.1})),
        (plots.loss_curve, (LOSSES,)),
        (plots.score_bars, ({"agent": 0.5}, {"agent": (0.4, 0.6)})),
    ],
)
def test_each_figure_is_one_png(draw, arguments, tmp_path):
    draw(*arguments, tmp_path / "figure.png")
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
