"""Translates `EpisodicVectorEnv` to Stable-Baselines3. Contains no rules of its own.

The only module of the environments that imports Stable-Baselines3.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations, values_of_rows
from lm_envs.envs.single_env import RowEnv
from lm_envs.envs.snapshots import check_arrays, check_parts
from lm_envs.validation import check_count

_CHECKS = (gym.wrappers.OrderEnforcing, gym.wrappers.PassiveEnvChecker)


class LanguageVecEnv(VecEnv):
    """N language episodes as one Stable-Baselines3 `VecEnv`, advanced in one batch.

    Usable as `make_vec_env(id, n_envs=64, vec_env_cls=LanguageVecEnv)`; `make_language_vec_env` is
    shorter. Infos report episode returns and lengths as `Monitor` does.

    Args:
        env_fns: N functions that make the same language environment with the same arguments.

    Raises:
        ValueError: If the functions make another environment, or one with a wrapper that a batch
            cannot keep.
    """

    def __init__(self, env_fns: Sequence[Callable[[], gym.Env]]) -> None:
        self._adopt(_batched(env_fns))

    @classmethod
    def from_vector_env(cls, vector_env: EpisodicVectorEnv) -> "LanguageVecEnv":
        """Wraps a vector environment whose autoreset mode is SAME_STEP.

        Raises:
            ValueError: If the mode is another.
        """
        mode = vector_env.metadata["autoreset_mode"]
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                f"Got autoreset_mode={mode.name}; Stable-Baselines3 resets in the same step. Make "
                "the environment with autoreset_mode='same_step'."
            )
        venv = cls.__new__(cls)
        venv._adopt(vector_env)
        return venv

    def _adopt(self, vector_env: EpisodicVectorEnv) -> None:
        self.vector_env = vector_env
        self.spec = vector_env.spec  # VecMonitor writes its id
        self._actions = np.zeros(0, np.int64)
        self._returns = np.zeros(vector_env.num_envs)
        self._lengths = np.zeros(vector_env.num_envs, np.int64)
        self._start = time.time()
        super().__init__(
            vector_env.num_envs,
            vector_env.single_observation_space,
            vector_env.single_action_space,
        )

    def reset(self) -> Observations:  # type: ignore[override]  # SB3 allows tuples too
        """Starts N episodes; returns observations (N, ...)."""
        seeds = None if self._seeds[0] is None else list(self._seeds)
        options = _options_of_rows(self._options, self.num_envs)
        observations, infos = self.vector_env.reset(seed=seeds, options=options)
        self.reset_infos = [{"prompt": prompt} for prompt in infos["prompt"]]
        self._returns[:] = 0.0
        self._lengths[:] = 0
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Stores the actions for `step_wait`."""
        self._actions = np.asarray(actions)

    def step_wait(  # type: ignore[override]  # SB3 allows tuples too
        self,
    ) -> tuple[Observations, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Performs one action in every row; rows whose episode ends are reset in the same step."""
        observations, rewards, terminated, truncated, batched = self.vector_env.step(self._actions)
        dones = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        infos = _step_infos(batched)
        for row in np.flatnonzero(dones).tolist():
            infos[row] |= _final_info(batched["final_info"], row)
            self.reset_infos[row] = {"prompt": batched["prompt"][row]}
            infos[row]["terminal_observation"] = batched["final_obs"][row]
            infos[row]["TimeLimit.truncated"] = bool(truncated[row] and not terminated[row])
            infos[row]["episode"] = {
                "r": round(float(self._returns[row]), 6),
                "l": int(self._lengths[row]),
                "t": round(time.time() - self._start, 6),
            }
        self._returns[dones] = 0.0
        self._lengths[dones] = 0
        return observations, rewards.astype(np.float32), dones, infos

    def get_state(self) -> dict[str, Any]:
        """Returns the state for `set_state`."""
        totals = {"returns": self._returns.copy(), "lengths": self._lengths.copy()}
        return {"rows": self.vector_env.get_state(), **totals}

    def set_state(self, state: dict[str, Any]) -> Observations:
        """Restores a state of `get_state` and returns its observations.

        Seeds and options that were set for the next reset are dropped.

        Raises:
            ValueError: If the state is of an environment with other rows or arguments; then nothing
                has changed.
        """
        check_parts("of a LanguageVecEnv", state, ("rows", "returns", "lengths"))
        check_arrays(state, {"returns": self._returns, "lengths": self._lengths})
        observations = self.vector_env.set_state(state["rows"])
        self._reset_seeds()
        self._reset_options()
        self._returns[:], self._lengths[:] = state["returns"], state["lengths"]
        return observations

    def close(self) -> None:
        """Closes the environment."""
        self.vector_env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Returns one RGB frame a row with `render_mode="rgb_array"`, else None a row."""
        frames = self.vector_env.render()
        return frames if frames is not None else [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Returns the attribute of the vector environment, once for each of the rows."""
        value = getattr(self.vector_env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:  # noqa: ANN401
        """Sets an attribute of the vector environment, which all rows share.

        Raises:
            ValueError: If `indices` are only some of the rows.
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(f"Got set_attr({attr_name!r}) for some rows; rows share attributes.")
        setattr(self.vector_env, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,  # noqa: ANN401
        indices: VecEnvIndices = None,
        **method_kwargs: Any,  # noqa: ANN401
    ) -> list[Any]:
        """Calls a method of the vector environment once; returns its result for each of the rows.

        Of an array with one entry a row, such as that of `action_masks`, each row gets its entry.
        """
        result = getattr(self.vector_env, method_name)(*method_args, **method_kwargs)
        is_divided = isinstance(result, np.ndarray) and len(result) == self.num_envs
        return [result[row] if is_divided else result for row in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Returns True for `Monitor`: this class reports what it reports."""
        return [issubclass(wrapper_class, Monitor) for _ in self._get_indices(indices)]


def make_language_vec_env(
    env_id: str,
    n_envs: int = 1,
    seed: int | None = None,
    **env_kwargs: Any,  # noqa: ANN401
) -> LanguageVecEnv:
    """Returns a batched `VecEnv` of an id; row i is seeded seed + i.

    Args:
        env_id: A registered id.
        n_envs: N.
        seed: Of row 0; None for a random one.
        env_kwargs: Arguments of the environment.

    Raises:
        TypeError: If the number of rows or the arguments are given as Gymnasium's or
            Stable-Baselines3's own functions take them.
        ValueError: If the id is none of a language environment, or `n_envs` is no positive number.
    """
    check_count("n_envs", n_envs)
    if wrong := {"num_envs", "env_kwargs"} & set(env_kwargs):
        raise TypeError(
            f"Got {' and '.join(sorted(wrong))}; allowed: n_envs for the number of rows, and the "
            "environment's arguments themselves: make_language_vec_env(id, n_envs=8, dense=False)."
        )
    spec = gym.registry.get(env_id)
    if spec is not None and str(spec.vector_entry_point or "gymnasium.").startswith("gymnasium."):
        raise ValueError(
            f"Got env_id={env_id!r}, whose rows are no language episodes; allowed: an id that "
            "`lm_envs envs` lists, or one of lm_envs.register. For other environments use "
            "make_vec_env of Stable-Baselines3."
        )
    vector_env = gym.make_vec(
        env_id, num_envs=n_envs, autoreset_mode=AutoresetMode.SAME_STEP, **env_kwargs
    )
    venv = LanguageVecEnv.from_vector_env(vector_env.unwrapped)  # type: ignore[arg-type]  # our ids make this class
    venv.seed(seed)
    return venv


def _batched(env_fns: Sequence[Callable[[], gym.Env]]) -> EpisodicVectorEnv:
    if not env_fns:
        raise ValueError("Got no functions that make an environment; allowed: one or more.")
    specs = [_spec(make()) for make in env_fns]
    env_id, arguments = specs[0]
    if any(spec != specs[0] for spec in specs):
        raise ValueError("Got environments with different arguments; rows of a batch share them.")
    arguments = {**arguments, "autoreset_mode": AutoresetMode.SAME_STEP}
    if arguments.get("render_mode") == "human":
        raise ValueError("Got render_mode='human' for a batch; allowed: None, ansi, rgb_array.")
    return gym.make_vec(env_id, num_envs=len(env_fns), **arguments).unwrapped  # type: ignore[return-value]  # _spec checked the class


def _spec(env: gym.Env) -> tuple[str, dict[str, Any]]:
    """Returns the id and the arguments of a language environment.

    Raises:
        ValueError: If it is another environment, or has a wrapper that a batch cannot keep.
    """
    core = env.unwrapped
    if not isinstance(core, RowEnv) or core.spec is None:
        raise ValueError(
            f"Got {type(core).__name__}; LanguageVecEnv batches environments made by "
            "gymnasium.make('lm_envs/...'). Use DummyVecEnv for others."
        )
    arguments = dict(core.spec.kwargs)
    layer = env
    while isinstance(layer, gym.Wrapper):
        is_monitor = isinstance(layer, Monitor) and layer.results_writer is None
        if isinstance(layer, gym.wrappers.TimeLimit):
            limit = layer._max_episode_steps
            arguments["max_steps"] = min(limit, arguments.get("max_steps") or limit)
        elif not (is_monitor or isinstance(layer, _CHECKS)):
            raise ValueError(
                f"Got an environment wrapped in {type(layer).__name__}, which a batch cannot "
                "keep; wrap the LanguageVecEnv in a VecEnvWrapper (VecMonitor writes files)."
            )
        layer = layer.env
    env.close()
    return core.spec.id, arguments


def _options_of_rows(options: Sequence[dict[str, Any]], num_rows: int) -> dict[str, Any] | None:
    """Returns SB3's options, one dict a row, as one dict of lists."""
    names = {name for row in options for name in row}
    if not names:
        return None
    if any(set(row) != names for row in options):
        raise ValueError("Got reset options for some rows only; give each row the same names.")
    return {name: [options[row][name] for row in range(num_rows)] for name in names}


def _step_infos(batched: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the infos of each row, without the prompt and the final infos."""
    names = [name for name in batched if not name.startswith(("_", "final_")) and name != "prompt"]
    return values_of_rows(batched, names, slice(None))


def _final_info(batched: dict[str, Any], row: int) -> dict[str, Any]:
    """Returns one row of a vector environment's infos."""
    return {
        name: _final_info(values, row) if isinstance(values, dict) else values[row]
        for name, values in batched.items()
        if not name.startswith("_")
    }
