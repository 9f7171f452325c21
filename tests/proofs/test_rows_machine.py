"""N rows are N single environments, whatever a caller does, for every id and autoreset mode."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.envs.helpers import IDS, MODES
from tests.proofs.rows_machine import environments, machine

COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}
QUICK = settings(max_examples=2, stateful_step_count=10, derandomize=True, **COMMON)
LONG = settings(
    max_examples=int(os.environ.get("LM_ENVS_EXAMPLES", "60")), stateful_step_count=40, **COMMON
)


@pytest.mark.parametrize("env_id", IDS)
def test_rows_are_single_environments_in_a_few_steps(env_id):
    mode = MODES[IDS.index(env_id) % len(MODES)]
    run_state_machine_as_test(machine(env_id, mode), settings=QUICK)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_rows_are_single_environments_in_many_steps(env_id, mode):
    run_state_machine_as_test(machine(env_id, mode), settings=LONG)


@pytest.mark.parametrize("fault", ["seed", "reward", "restore"])
def test_the_machine_finds_a_fault(fault, monkeypatch):
    """The control: a row that has a wrong seed, reward or state differs from its environment."""
    env_id = "lm_envs/NextWord-v0"
    kind = type(environments(env_id, "same_step")[0])
    reset, step, set_state = kind.reset, kind.step, kind.set_state

    def seeded(self, *, seed=None, options=None):
        wrong = seed is not None and self.num_envs > 1
        return reset(self, seed=[seed, seed + 2, seed + 1] if wrong else seed, options=options)

    def paid(self, actions):
        observations, rewards, *rest = step(self, actions)
        return observations, rewards + (np.arange(self.num_envs) == 1), *rest

    def without_generators(self, state):
        own = [rng.bit_generator.state for rng in self.np_random]
        return set_state(self, state | {"generators": own})

    faults = {"seed": ("reset", seeded), "reward": ("step", paid)}
    faults["restore"] = ("set_state", without_generators)
    monkeypatch.setattr(kind, *faults[fault])
    # The fault has to be found, not to be shown by the fewest steps: shrinking takes longer.
    more = settings(
        QUICK, max_examples=40, stateful_step_count=30, phases=set(Phase) - {Phase.shrink}
    )
    # Where the fault hides a refusal too, the failures are a group of which one is no Exception.
    with pytest.raises((AssertionError, BaseExceptionGroup, pytest.fail.Exception)):
        run_state_machine_as_test(machine(env_id, "same_step"), settings=more)
