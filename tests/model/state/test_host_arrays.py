import numpy as np

from lm_envs.model.state.host_arrays import MOST_ARRAYS, HostArrays


def test_an_array_is_used_again_only_when_no_view_of_it_is_left():
    arrays = HostArrays(pinned=False)
    first = arrays.take((4, 3))
    view, address = first[:, 1], first.ctypes.data
    del first
    assert arrays.take((4, 3)).ctypes.data != address
    del view
    assert arrays.take((4, 3)).ctypes.data == address


def test_kept_arrays_stay_unchanged_however_many_there_are():
    arrays = HostArrays(pinned=False)
    kept = [arrays.copy(np.full((2, 2), number, np.float32)) for number in range(MOST_ARRAYS + 3)]
    assert [array[0, 0] for array in kept] == list(range(MOST_ARRAYS + 3))
