from dataclasses import FrozenInstanceError
from typing import get_args

import numpy as np
import pytest

from lm_envs.transcript import TRUNCATIONS, Ending, Transcript


def test_a_transcript_cannot_be_changed():
    none = np.zeros(0)
    transcript = Transcript("a", "", "", none, none, none, none, (), None, {})
    with pytest.raises(FrozenInstanceError):
        transcript.text = "b"


def test_only_outside_limits_truncate():
    endings = set(get_args(Ending))
    assert set(TRUNCATIONS) < endings
    assert endings - TRUNCATIONS == {"end_token", "complete", "budget"}
