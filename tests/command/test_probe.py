import json

import numpy as np

from lm_envs.command import probe


def test_row_of_a_batch_observes_the_same_and_the_text_form_loses_nothing():
    observed = probe.observe("embedded")
    parsed = probe.parse(json.dumps(observed))
    assert parsed["row"].shape == (probe.STEPS + 1, len(observed["row"][0]))
    assert np.array_equal(parsed["row"], parsed["single"])
    assert np.abs(np.diff(parsed["single"], axis=0)).max() > 0.1  # the episode went on
