"""A state machine: rows of a vector environment, and a single environment for each row.

Whatever a caller does (reset masks, seeds, steps, snapshots, restores, wrong actions, scores that
fail), row i and its single environment stay the same: texts, rewards and ends exactly, observations
to float32 rounding.
"""

from functools import cache

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from lm_envs.envs.rows import index_row
from tests.envs.helpers import FAILING, failing_score
from tests.envs.tuning.helpers import SMALL

ROWS = 3
TOLERANCE = {"rtol": 0, "atol": 2e-5}
seeds = st.integers(0, 2**31)


def options_of(env_id):
    """Short episodes; of next words with a score that can fail."""
    name = env_id.removeprefix("lm_envs/").removesuffix("-v0")
    tokens = {"prompt_tokens": 6, **FAILING} if name == "NextWord" else {}
    return SMALL.get(name, tokens)


@cache
def environments(env_id, mode):
    """A batch and its single environments; made once, since all examples begin with a reset."""
    options = options_of(env_id)
    batch = gym.make_vec(env_id, num_envs=ROWS, autoreset_mode=mode, **options).unwrapped
    return batch, [gym.make(env_id, **options).unwrapped for _ in range(ROWS)]


def assert_close(own, other):
    if isinstance(other, dict):
        for name, values in other.items():
            np.testing.assert_allclose(own[name], values, **TOLERANCE)
    else:
        np.testing.assert_allclose(own, other, **TOLERANCE)


class RowsMachine(RuleBasedStateMachine):
    """Subclasses set `env_id` and `mode`."""

    env_id: str
    mode: str
    snapshots = Bundle("snapshots")

    def __init__(self):
        super().__init__()
        self.batch, self.singles = environments(self.env_id, self.mode)
        self.waiting = np.zeros(ROWS, bool)  # rows whose episode is over and not started again
        self.is_broken = False  # after a step that failed

    @initialize(seed=seeds)
    def begin(self, seed):
        self._reset(np.ones(ROWS, bool), seed, None)

    def _reset(self, mask, seed, index):
        """Resets rows of the batch and the same single environments."""
        options = {"reset_mask": mask} if index is None else {"reset_mask": mask, "index": index}
        own = {} if index is None else {"options": {"index": index}}
        observations, infos = self.batch.reset(seed=seed, options=options)
        for row in np.flatnonzero(mask):
            row_seed = None if seed is None else seed + int(row)
            expected, info = self.singles[row].reset(seed=row_seed, **own)
            assert_close(index_row(observations, row), expected)
            assert infos["prompt"][row] == info["prompt"]
        self.waiting[mask], self.is_broken = False, False

    @precondition(lambda self: not self.is_broken)
    @rule(mask=st.integers(1, 2**ROWS - 1), seed=st.none() | seeds, index=st.none() | seeds)
    def reset_some_rows(self, mask, seed, index):
        chosen = np.array([bool(mask >> row & 1) for row in range(ROWS)])
        index = None if index is None else index % self.batch.num_examples
        self._reset(chosen, seed, index)

    @rule(seed=st.none() | seeds)
    def reset_all_rows(self, seed):
        # After a step that failed, a row may have drawn other numbers than its single environment.
        self._reset(np.ones(ROWS, bool), 0 if self.is_broken and seed is None else seed, None)

    def _actions(self, seed):
        self.batch.action_space.seed(seed)
        return self.batch.action_space.sample()

    @rule(seed=seeds)
    def step(self, seed):
        actions = self._actions(seed)
        if self.is_broken or (self.mode != "next_step" and self.waiting.any()):
            with pytest.raises(gym.error.ResetNeeded):
                self.batch.step(actions)
            return
        found = self.batch.step(actions)
        for row in range(ROWS):
            self._check_row(row, actions[row], found)
        self.waiting = found[2] | found[3]
        if self.mode == "same_step":
            self.waiting = np.zeros(ROWS, bool)

    def _check_row(self, row, action, found):
        observations, rewards, terminated, truncated, infos = found
        single, own = self.singles[row], index_row(observations, row)
        ends = (bool(terminated[row]), bool(truncated[row]))
        if self.waiting[row]:  # NEXT_STEP: the action is ignored, the episode begins
            expected, info = single.reset()
            assert (rewards[row], *ends) == (0.0, False, False)
            assert infos["prompt"][row] == info["prompt"]
            assert_close(own, expected)
            return
        expected, reward, *single_ends, info = single.step(action)
        assert rewards[row] == reward
        assert ends == tuple(single_ends)
        final = infos
        if self.mode == "same_step" and any(ends):
            assert_close(infos["final_obs"][row], expected)
            final = infos["final_info"]
            expected, begun = single.reset()
            assert infos["prompt"][row] == begun["prompt"]
        assert_close(own, expected)
        assert final["text"][row] == info["text"]
        if any(ends):
            assert final["ending"][row] == info["ending"]
            assert final["scores"]["reward"][row] == info["scores"]["reward"]

    @precondition(lambda self: not self.is_broken)
    @rule(
        kind=st.sampled_from(["shape", "range", "text"]), row=st.integers(0, ROWS - 1), seed=seeds
    )
    def refused_actions_change_nothing(self, kind, row, seed):
        actions = self._actions(seed)
        if kind == "shape":
            wrong = actions[:-1]
        elif kind == "range":
            wrong = actions.copy()
            wrong[row] = 10**6
        else:
            wrong = "actions"
        if kind == "range" and self.mode == "next_step" and self.waiting[row]:
            return  # the action of a row that begins anew is ignored
        with pytest.raises((ValueError, gym.error.ResetNeeded)):
            self.batch.step(wrong)

    @precondition(lambda self: not self.is_broken)
    @rule(
        options=st.sampled_from([{"reset_mask": np.zeros(ROWS, bool)}, {"index": -1}, {"x": 1}, 7])
    )
    def refused_resets_change_nothing(self, options):
        with pytest.raises(ValueError, match="Got"):
            self.batch.reset(seed=1, options=options)

    @precondition(lambda self: not self.is_broken)
    @rule(target=snapshots)
    def take_snapshot(self):
        states = [single.get_state() for single in self.singles]
        return self.batch.get_state(), states, self.waiting.copy(), self.batch.observe()

    @rule(snapshot=snapshots)
    def restore(self, snapshot):
        state, states, waiting, observations = snapshot
        restored = self.batch.set_state(state)
        assert_close(restored, observations)
        for single, own in zip(self.singles, states, strict=True):
            single.set_state(own)
        self.waiting, self.is_broken = waiting.copy(), False

    @rule(snapshot=snapshots, row=st.integers(0, ROWS - 1))
    def refused_states_change_nothing(self, snapshot, row):
        generators = list(snapshot[0]["generators"])
        generators[row] = {"bit_generator": "MT19937"}
        with pytest.raises(ValueError, match="generator"):
            self.batch.set_state(snapshot[0] | {"generators": generators})

    @precondition(lambda self: "rewards" in options_of(self.env_id) and not self.is_broken)
    @rule(seed=seeds)
    def fail_to_score(self, seed):
        if self.waiting.all() or (self.mode != "next_step" and self.waiting.any()):
            return
        failing_score.is_failing = True
        try:
            self.batch.step(self._actions(seed))
        except RuntimeError:
            self.is_broken = True
        finally:
            failing_score.is_failing = False
        if not self.is_broken:  # blank texts only, which score 0 without a call
            self._reset(np.ones(ROWS, bool), seed, None)

    @invariant()
    def rows_have_taken_as_many_steps(self):
        if self.is_broken or not hasattr(self, "batch"):
            return
        np.testing.assert_array_equal(self.batch.is_over, self.waiting)
        for row, single in enumerate(self.singles):
            if not self.waiting[row]:
                assert self.batch.transcript(row).text == single.transcript.text


def machine(env_id, mode):
    """The state machine of an id in an autoreset mode, as a class."""
    return type("Machine", (RowsMachine,), {"env_id": env_id, "mode": mode})
