"""Wrong inputs at the public doors are refused by exceptions of ours, and leave no trace."""

import json

import numpy as np

from lm_envs.envs.base import EpisodicVectorEnv
from tests.proofs import doors
from tests.proofs.values import near


def faults(counts):
    return {name: count for name, count in counts.items() if name.endswith("fault")}


def test_random_inputs_are_accepted_or_refused_by_exceptions_of_ours():
    counts = doors.run(seed=0, inputs=150)
    assert counts.total() == 150
    assert not faults(counts)


def test_a_run_that_was_stopped_continues_with_the_next_input(tmp_path):
    progress = tmp_path / "progress.json"
    progress.write_text(json.dumps({"next": 9, "counts": {"data refused": 9}}))
    counts = doors.run(seed=0, inputs=12, progress=progress)
    assert counts.total() == 12
    assert json.loads(progress.read_text())["next"] == 12


def test_a_value_near_an_array_without_axes_is_another_array():
    """Regression: input 46268 of seed 1 ended with an IndexError of the proof itself."""
    rng = np.random.default_rng(0)
    assert all(isinstance(near(rng, np.array(3)), (np.ndarray, np.generic)) for _ in range(20))


def test_a_foreign_exception_and_a_trace_of_a_refused_call_are_found(monkeypatch, capsys):
    """The control: a door that raises another exception, and one that changes what it refuses."""
    monkeypatch.setattr(doors, "read_rows", raises_key_error)
    reset = EpisodicVectorEnv.reset

    def draws(self, *, seed=None, options=None):
        self.np_random[0].random()
        return reset(self, seed=seed, options=options)

    monkeypatch.setattr(EpisodicVectorEnv, "reset", draws)
    counts = doors.run(seed=0, inputs=150)
    assert set(faults(counts)) == {"data fault", "reset fault"}
    assert "KeyError('planted')" in capsys.readouterr().out


def raises_key_error(*_):
    raise KeyError("planted")
