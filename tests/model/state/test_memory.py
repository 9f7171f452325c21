import pytest
import torch

from lm_envs.model.state.memory import check_room, pass_bytes, row_bytes
from tests.model.engines import make_engine

GIB = 2**30


def test_rows_that_do_not_fit_are_refused_with_the_most_that_do(model):
    a_row, fixed = row_bytes(model, 100, None), pass_bytes(model)
    free = int((10 * a_row + fixed) / 0.95) + 1
    check_room(model, 10, 100, None, free)
    with pytest.raises(ValueError, match=r"Got 11 rows .* enough for 10 rows"):
        check_room(model, 11, 100, None, free)
    check_room(model, 11, 100, torch.int8, free)  # the remedy that the message names


def test_the_estimate_covers_the_cache(model):
    engine = make_engine(model, 5)
    assert 5 * row_bytes(model, engine.capacity, None) > engine.num_bytes


def test_rows_beyond_the_memory_of_the_computer_are_refused(model):
    """Regression: a million rows allocated for minutes, until the system ended the process."""
    with pytest.raises(ValueError, match=r"Got 1000000000 rows .*free on cpu: .*int8'\.$"):
        check_room(model, 10**9, 100, None)
