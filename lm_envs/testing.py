"""The contract of a language environment, as a test for environments of other packages.

Needs no test framework: a broken promise raises an `AssertionError` that names it.

Example:
    >>> import lm_envs
    >>> from lm_envs.testing import check_environment
    >>> check_environment("lm_envs/NextWord-v0", max_new_tokens=4, steps=6)
"""

import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_match import check_environments_match
from gymnasium.vector import AutoresetMode

from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations, index_row
from lm_envs.fonts import MissingGlyphWarning

NUM_ROWS = 3
SEED = 7
TOLERANCE = 2e-5
"""Batched and single observations agree to float32 rounding; rewards and texts agree exactly."""

__all__ = ["check_environment"]


def check_environment(env_id: str, *, steps: int = 40, **kwargs: Any) -> None:  # noqa: ANN401
    """Checks an environment against the contract that all environments of this library hold.

    Gymnasium's checker and, where it is installed, Stable-Baselines3's find nothing; two
    environments of the same spec match, also after a round trip of the spec through JSON where it
    is plain; in each autoreset mode row i equals the single environment seeded seed + i; and a
    state that was saved continues with the same numbers.

    Args:
        env_id: A registered id, such as "me/Rhyme-v0".
        steps: Random steps in each comparison.
        kwargs: Arguments of the environment.

    Raises:
        AssertionError: Naming the promise that is broken.
    """
    _check_with_checkers(env_id, kwargs)
    _check_spec(env_id, steps, kwargs)
    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED):
        _check_rows(env_id, steps, mode, kwargs)
    _check_state(env_id, steps, kwargs)


def _check_with_checkers(env_id: str, kwargs: dict[str, Any]) -> None:
    """Runs the checkers of Gymnasium and Stable-Baselines3; a warning counts as a failure."""
    checkers: list[Callable[[gym.Env], None]] = [check_env]
    try:
        from stable_baselines3.common.env_checker import check_env as sb3_check
    except ModuleNotFoundError:
        pass  # an optional dependency
    else:
        checkers.append(sb3_check)
    for check in checkers:
        printed = redirect_stdout(StringIO())  # the render mode "human" prints
        with warnings.catch_warnings(), printed:
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", MissingGlyphWarning)  # of the machine, not of the task
            check(gym.make(env_id, **kwargs).unwrapped)


def _check_spec(env_id: str, steps: int, kwargs: dict[str, Any]) -> None:
    """Two environments of one spec match; the second comes from JSON if the spec is plain."""
    env = gym.make(env_id, **kwargs)
    assert env.spec is not None
    try:
        spec = EnvSpec.from_json(env.spec.to_json())
    except (ValueError, TypeError):
        spec = env.spec  # objects among the arguments: allowed, but not as JSON
    check_environments_match(env, gym.make(spec), num_steps=steps, seed=SEED)


def _check_rows(env_id: str, steps: int, mode: AutoresetMode, kwargs: dict[str, Any]) -> None:
    """Row i of a batch and the single environment seeded seed + i do the same."""
    batch = gym.make_vec(env_id, num_envs=NUM_ROWS, autoreset_mode=mode, **kwargs)
    singles = [gym.make(env_id, **kwargs) for _ in range(NUM_ROWS)]
    batch.action_space.seed(SEED)
    observations, _ = batch.reset(seed=SEED)
    for row, env in enumerate(singles):
        expected, _ = env.reset(seed=SEED + row)
        _assert_close(index_row(observations, row), expected, f"observation of row {row} at reset")
    waiting = np.zeros(NUM_ROWS, bool)  # rows whose episode is over and not started again
    for step in range(steps):
        if mode is AutoresetMode.DISABLED and waiting.any():
            batch.reset(options={"reset_mask": waiting})
            for row in np.flatnonzero(waiting):
                singles[row].reset()
            waiting[:] = False
        actions = batch.action_space.sample()
        found = batch.step(actions)
        for row, env in enumerate(singles):
            place = f"row {row} of a batch ({mode.name}) at step {step}"
            _check_row(found, row, env, actions[row], place, is_waiting=bool(waiting[row]))
        waiting = found[2] | found[3]
        if mode is AutoresetMode.SAME_STEP:
            waiting[:] = False


def _check_row(
    found: tuple[Any, ...],
    row: int,
    env: gym.Env,
    action: Any,  # noqa: ANN401 - of the environment's space
    place: str,
    *,
    is_waiting: bool,
) -> None:
    """One row of a batch's step is the step of a single environment, or its reset."""
    observations, rewards, terminated, truncated, infos = found
    own = (float(rewards[row]), bool(terminated[row]), bool(truncated[row]))
    if is_waiting:  # NEXT_STEP: the action is ignored, the episode begins
        expected, _ = env.reset()
        assert own == (0.0, False, False), f"{place}: got {own} where the episode begins."
        _assert_close(index_row(observations, row), expected, f"{place}: the observation")
        return
    observation, reward, is_terminated, is_truncated, info = env.step(action)
    assert own == (float(reward), is_terminated, is_truncated), (
        f"{place}: got reward and ends {own}, but the single environment gives "
        f"{(reward, is_terminated, is_truncated)}; a row may depend on its own text and generator "
        "only."
    )
    assert infos["text"][row] == info["text"], f"{place}: the text is another one."
    if "final_obs" in infos and infos["_final_obs"][row]:
        _assert_close(infos["final_obs"][row], observation, f"{place}: the final observation")
        observation, _ = env.reset()
    _assert_close(index_row(observations, row), observation, f"{place}: the observation")


def _check_state(env_id: str, steps: int, kwargs: dict[str, Any]) -> None:
    """A restored state continues with the same observations and rewards, bit for bit."""
    made = gym.make_vec(env_id, num_envs=NUM_ROWS, autoreset_mode="same_step", **kwargs)
    env = made.unwrapped
    assert isinstance(env, EpisodicVectorEnv), f"{env_id} makes no environment of this library."
    env.action_space.seed(SEED)
    env.reset(seed=SEED)
    actions = [env.action_space.sample() for _ in range(2 * (steps // 4) + 2)]
    for chosen in actions[: len(actions) // 2]:
        env.step(chosen)
    state, later = env.get_state(), actions[len(actions) // 2 :]
    expected = [env.step(chosen)[:4] for chosen in later]
    env.set_state(state)
    for number, (chosen, wanted) in enumerate(zip(later, expected, strict=True)):
        for name, own, other in zip(
            ("observations", "rewards", "terminated", "truncated"),
            env.step(chosen)[:4],
            wanted,
            strict=True,
        ):
            same = _is_equal(own, other)
            assert same, f"{name} differ {number + 1} steps after a state was restored."


def _assert_close(own: Any, other: Any, what: str) -> None:  # noqa: ANN401 - observations
    """Two observations of one row agree to `TOLERANCE`."""
    if isinstance(other, dict):
        for name, values in other.items():
            _assert_close(own[name], values, f"{what} {name!r}")
        return
    is_same = np.allclose(own, other, rtol=0.0, atol=TOLERANCE)
    assert is_same, f"{what} differs by {np.abs(np.asarray(own) - np.asarray(other)).max()}."


def _is_equal(own: Observations, other: Observations) -> bool:
    if isinstance(own, dict) and isinstance(other, dict):
        return all(np.array_equal(values, other[name]) for name, values in own.items())
    return np.array_equal(np.asarray(own), np.asarray(other))
