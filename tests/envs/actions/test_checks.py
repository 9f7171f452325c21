"""Checks of the actions that a caller gives."""

import numpy as np
import pytest

from lm_envs.envs.actions.checks import check_discrete, check_points
from tests.envs.helpers import make, make_small, snapshot


def test_actions_of_rows_that_are_not_active_are_ignored():
    active = np.array([True, False])
    assert check_discrete(np.array([1, 99]), active, 2, "ranks").tolist() == [1, 0]
    points = check_points(np.array([[0.5], [np.nan]]), active, (1,))
    assert points.tolist() == [[0.5], [0.0]]
    assert points.dtype == np.float32


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.array([0, 2]), "Got action 2 in row 1; allowed: 0 to 1, ranks"),
        (np.array([-1, 0]), "Got action -1 in row 0"),
        (np.zeros((2, 1), int), r"shape \(2, 1\) and type int64; allowed: 2 whole numbers"),
        (np.array([True, False]), "type bool; allowed: 2 whole numbers"),
    ],
)
def test_wrong_discrete_actions_are_refused(actions, message):
    with pytest.raises(ValueError, match=message):
        check_discrete(actions, np.ones(2, bool), 2, "ranks")


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.array([0, 16, 0, 0]), "Got action 16 in row 1; allowed: 0 to 15"),
        (np.array([0, 0, -1, 0]), "Got action -1 in row 2"),
        (np.zeros(3, int), r"shape \(3,\)"),
        (np.zeros(4), "type float64; allowed: 4 whole numbers"),
    ],
)
def test_a_wrong_action_is_refused_and_changes_nothing(actions, message):
    env = make()
    env.reset(seed=0)
    env.step(np.zeros(4, int))
    before, outputs = snapshot(env), env.outputs
    with pytest.raises(ValueError, match=message):
        env.step(actions)
    assert snapshot(env) == before
    assert env.outputs is outputs


@pytest.mark.parametrize(
    ("actions", "bad", "message"),
    [
        ("vocabulary", np.array([0, 700, 1]), "allowed: 0 to 274, token ids"),
        ("embedding", np.zeros((3, 7), np.float32), r"allowed: floats of shape \(3, 8\)"),
        ("embedding", np.full((3, 8), 1.5, np.float32), "allowed: -1 to 1 each"),
        ("embedding", np.full((3, 8), np.nan, np.float32), "allowed: -1 to 1 each"),
        ("embedding", np.zeros(3, np.int64), "allowed: floats"),
    ],
)
def test_an_action_outside_its_space_is_refused_and_changes_nothing(
    checkpoint, actions, bad, message
):
    env = make_small(checkpoint, actions=actions)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(bad)
    assert [t.text for t in env.transcripts] == ["", "", ""]


def test_points_outside_by_a_rounding_error_are_clipped():
    """Regression: RescaleAction at its own upper bound gives 1.0000001."""
    points = np.array([[1.0000001, -1.0000001]])
    found = check_points(points, np.ones(1, bool), (2,))
    assert found.tolist() == [[1.0, -1.0]]
    with pytest.raises(ValueError, match="ClipAction"):
        check_points(np.array([[1.001, 0.0]]), np.ones(1, bool), (2,))
