import numpy as np
import pytest

from agents.algorithms.table_updates import move_entries, next_values, successors

EXPLORING = np.array([[[1.0, 5.0], [0.0, 0.0]], [[4.0, 2.0], [0.0, 0.0]]])  # (2 tables, S, A)


def moved(updates, **rates):
    """Values after updates (entries, targets) of an empty table of 8 entries."""
    values, visits = np.zeros(8), np.zeros(8, np.int64)
    for entries, targets in updates:
        move_entries(values, visits, np.array(entries), np.array(targets), **rates)
    return values


def test_rows_at_one_entry_move_it_like_updates_in_sequence():
    updates = [([4, 2, 4, 4], [1.0, 5.0, 1.0, 1.0])]
    values = moved(updates, learning_rate=0.1, visit_decay=0.0)
    np.testing.assert_allclose(values[[2, 4]], [0.5, 1 - 0.9**3])


def test_full_decay_averages_all_targets():
    updates = [([4], [6.0]), ([4, 4], [1.0, 2.0])]
    values = moved(updates, learning_rate=1.0, visit_decay=1.0)
    assert values[4] == pytest.approx(3.0)


def test_double_q_values_the_best_action_of_one_table_by_the_other():
    found = next_values("double_q", EXPLORING, np.array([0, 1]), np.array([0, 0]), 0.0)
    np.testing.assert_array_equal(found, [2.0, 1.0])


def test_expected_sarsa_mixes_the_best_and_the_mean_value():
    found = next_values("expected_sarsa", EXPLORING[:1], np.array([0]), np.array([0]), 0.5)
    np.testing.assert_allclose(found, [0.5 * 5.0 + 0.5 * 3.0])


def test_a_truncated_row_has_a_successor_and_a_terminated_row_has_none():
    ends = [{"terminal_observation": 7, "TimeLimit.truncated": flag} for flag in (True, False)]
    states, is_terminal = successors(
        np.array([3, 0, 0]), np.array([False, True, True]), [{}, *ends]
    )
    assert states.tolist() == [3, 7, 7]
    assert is_terminal.tolist() == [False, False, True]
