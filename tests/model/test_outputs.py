import numpy as np

from lm_envs.model.outputs import packed_size, unpack


def test_a_row_holds_hidden_state_logprobs_candidates_and_what_was_chosen():
    packed = np.arange(2 * packed_size(3, 2), dtype=np.float32).reshape(2, -1)
    outputs = unpack(packed, 2)
    assert outputs.hidden.tolist() == [[0, 1, 2], [9, 10, 11]]
    assert outputs.logprobs.tolist() == [[3, 4], [12, 13]]
    assert outputs.candidates.tolist() == [[5, 6], [14, 15]]
    assert outputs.candidates.dtype == np.int64
    assert outputs.chosen.tolist() == [8, 17]
