"""Seeds, autoreset modes, infos, and recovery after a failed step."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from tests.envs.helpers import FAILING, ID, failing_score, make, snapshot


def test_reset_mask_leaves_other_rows_unchanged():
    env = make()
    env.reset(seed=0)
    env.step(np.arange(4))
    before = snapshot(env)
    env.reset(options={"reset_mask": np.array([False, True, False, False])})
    after = snapshot(env)
    assert [before[row] == after[row] for row in range(4)] == [True, False, True, True]
    assert after[1][1] == ""


def test_a_seed_with_a_mask_seeds_the_rows_of_the_mask_only():
    """Regression: rows outside of the mask drew other examples afterwards."""
    env, untouched = make(2), make(2)
    for each in (env, untouched):
        each.reset(seed=0)
    first = np.array([True, False])
    env.reset(seed=100, options={"reset_mask": first})
    seeded = env.transcripts[0].prompt
    for each in (env, untouched):
        each.reset(options={"reset_mask": ~first})
    assert env.transcripts[1].prompt == untouched.transcripts[1].prompt
    untouched.reset(seed=100)
    assert seeded == untouched.transcripts[0].prompt


def test_seeds_and_generators_are_those_of_gymnasiums_own_vector_environments():
    """Regression: the reported seed was a random number."""
    env, own = make(3), gym.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
    for each in (env, own):
        each.reset(seed=3)
    assert env.np_random_seed == own.np_random_seed == (3, 4, 5)
    states = [generator.bit_generator.state for generator in env.np_random]
    assert states == env.get_state()["generators"]
    env.reset(seed=[None, 9, 1], options={"reset_mask": np.array([True, True, False])})
    assert env.np_random_seed == (3, 9, 5)
    assert all(seed > 2**32 for seed in make(3).np_random_seed)
    env.set_state(env.get_state())
    assert env.np_random_seed == (-1, -1, -1)


@pytest.mark.parametrize("env_id", [ID, "lm_envs/Dialogue-v0"])
@pytest.mark.parametrize("mode", ["disabled", "next_step", "same_step"])
def test_the_first_reset_has_to_start_every_row(env_id, mode):
    """Regression: rows that had never begun were shown, which crashed where lines are chosen."""
    env = gym.make_vec(env_id, num_envs=2, autoreset_mode=mode).unwrapped
    with pytest.raises(gym.error.ResetNeeded, match=r"reset_mask of rows \[1\] before the first"):
        env.reset(options={"reset_mask": np.array([False, True])})
    with pytest.raises(gym.error.ResetNeeded, match="before the first"):
        env.step(np.zeros(2, int))
    env.reset(options={"reset_mask": np.ones(2, bool)})
    env.step(np.zeros(2, int))


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_a_row_that_resets_itself_reports_its_prompt(mode):
    """Regression: only `reset` reported the prompt."""
    env = make(2, mode, max_new_tokens=2)
    env.reset(seed=0)
    for _ in range(3 if mode == "next_step" else 2):
        *_, infos = env.step(np.zeros(2, int))
    assert infos["prompt"].tolist() == [t.prompt for t in env.transcripts]
    assert infos["_prompt"].all()
    assert not infos["_text"].any()


def test_next_step_ignores_the_action_of_a_row_that_starts():
    env = make(2, AutoresetMode.NEXT_STEP, max_new_tokens=2)
    env.reset(seed=0)
    for _ in range(2):
        _, _, terminated, _, _ = env.step(np.zeros(2, int))
    assert terminated.all()
    _, rewards, terminated, truncated, infos = env.step(np.full(2, 15))
    assert rewards.tolist() == [0, 0]
    assert not (terminated | truncated | infos["_text"]).any()
    assert [t.text for t in env.transcripts] == ["", ""]


def test_stepping_before_reset_or_after_the_end_is_refused():
    env = make(2, max_new_tokens=1)
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        env.step(np.zeros(2, int))
    env.reset(seed=0)
    env.step(np.zeros(2, int))
    with pytest.raises(gym.error.ResetNeeded, match=r"rows \[0, 1\] are over"):
        env.step(np.zeros(2, int))


def test_observations_are_new_arrays():
    env = make(autoreset_mode="same_step")
    first, _ = env.reset(seed=0)
    kept = first.copy()
    for _ in range(10):
        env.step(np.zeros(4, int))
    assert np.array_equal(first, kept)


def test_get_state_before_the_first_reset_is_refused():
    with pytest.raises(gym.error.ResetNeeded, match=r"get_state\(\) before the first reset"):
        make().get_state()


@pytest.fixture
def failed(monkeypatch):
    """Two rows whose second step failed, and a state from before the first."""
    env = make(2, **FAILING)
    env.reset(seed=0)
    state = env.get_state()
    env.step(np.zeros(2, int))
    with monkeypatch.context() as patch:
        patch.setattr(failing_score, "is_failing", True)
        with pytest.raises(RuntimeError, match=r"Got ZeroDivisionError from score '.*': nothing"):
            env.step(np.zeros(2, int))
    return env, state


@pytest.mark.parametrize(
    ("what", "act"),
    [
        (r"step\(\)", lambda env: env.step(np.zeros(2, int))),
        (r"get_state\(\)", lambda env: env.get_state()),
        (r"a .* \[1\]", lambda env: env.reset(options={"reset_mask": np.array([False, True])})),
    ],
)
def test_after_a_failed_step_all_rows_have_to_be_reset(failed, what, act):
    """Regression: the next step was an assertion about rows that were full."""
    with pytest.raises(gym.error.ResetNeeded, match=rf"Got {what} after a step\(\) that failed"):
        act(failed[0])


@pytest.mark.parametrize("way", ["reset", "set_state"])
def test_reset_and_set_state_recover_from_a_failed_step(failed, way):
    (env, state), fresh = failed, make(2, **FAILING)
    for each in (env, fresh):
        each.reset(seed=0) if way == "reset" else each.set_state(state)
    for _ in range(2):
        np.testing.assert_array_equal(*[each.step(np.ones(2, int))[0] for each in (env, fresh)])
    assert snapshot(env) == snapshot(fresh)


def test_metadata_belong_to_the_environment():
    env, other = make(1, "same_step"), make(1)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert other.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert env.metadata["render_modes"] == ["ansi", "rgb_array"]
    assert env.metadata["render_fps"] == 4


@pytest.mark.parametrize(("mode", "kind"), [("ansi", str), ("rgb_array", np.ndarray)])
def test_each_row_is_rendered_in_the_chosen_mode(mode, kind):
    env = make(2, render_mode=mode)
    env.reset(seed=0)
    assert [type(frame) for frame in env.render()] == [kind, kind]
