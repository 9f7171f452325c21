"""N episodes side by side: seeds, autoreset, infos, states. The only dynamics of the library."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lm_envs import rendering
from lm_envs.envs.modes import RENDER_MODES, check_modes, parse_autoreset_mode
from lm_envs.envs.reset_options import seeds_for_rows
from lm_envs.envs.rows import Observations, add_infos, index_row, values_of_rows
from lm_envs.envs.snapshots import (
    check_arrays,
    check_lists,
    check_parts,
    not_copyable_error,
    restored_generators,
)
from lm_envs.transcript import Transcript

UNKNOWN_SEED = -1
"""Gymnasium's value for the seed of a generator whose state was set."""


class EpisodicVectorEnv(VectorEnv, ABC):
    """N rows, each with an episode and a generator of its own.

    Row i draws from its own generator, seeded seed + i, and replays the single environment, which
    is row 0 of a one-row environment, seeded seed + i. Subclasses implement actions, rewards and
    observations.

    Args:
        rngs: N generators; see `new_generators`.
        seeds: Their seeds.
        observation_space: Of one row.
        action_space: Of one row.
        autoreset_mode: "next_step", "same_step" or "disabled", or Gymnasium's enum.
        render_mode: None, "ansi" or "rgb_array".

    Raises:
        ValueError: If a mode is not allowed; the message names the allowed ones.
    """

    training_arguments = frozenset({"gamma", "group_size"})  # which evaluations leave out
    metadata = {  # noqa: RUF012 - Gymnasium's name and type; instances hold their own copy
        **{"render_modes": list(RENDER_MODES), "render_fps": 4},
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        rngs: list[np.random.Generator],
        seeds: list[int],
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        *,
        autoreset_mode: str | AutoresetMode,
        render_mode: str | None,
    ) -> None:
        check_modes(autoreset_mode, render_mode)
        self.autoreset_mode = parse_autoreset_mode(autoreset_mode)
        self.num_envs = len(rngs)
        self._over = np.ones(self.num_envs, bool)  # (N,) True until a row's first reset
        self._unready: str | None = "before the first reset()"  # why rows cannot go on
        self._rngs, self._seeds = rngs, seeds  # changed in place: action kinds hold the same list
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space = batch_space(observation_space, self.num_envs)
        self.action_space = batch_space(action_space, self.num_envs)

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]  # as Gymnasium's own batches
        """Each row's generator, as in `gymnasium.vector.SyncVectorEnv`."""
        return tuple(self._rngs)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]  # as Gymnasium's own batches
        """Each row's seed; -1 where a state was restored."""
        return tuple(self._seeds)

    def __reduce__(self) -> tuple[Any, ...]:
        raise not_copyable_error(self, "gymnasium.make_vec")

    @property
    def is_over(self) -> np.ndarray:
        """(N,) bool, rows whose episode is over and not started again yet."""
        return self._over.copy()

    @property
    @abstractmethod
    def num_examples(self) -> int:
        """Number of examples that episodes are drawn from."""

    @abstractmethod
    def transcript(self, row: int) -> Transcript:
        """Returns the episode of one row so far."""

    @property
    def transcripts(self) -> list[Transcript]:
        """Each row's episode so far."""
        return [self.transcript(row) for row in range(self.num_envs)]

    @property
    @abstractmethod
    def steps(self) -> np.ndarray:
        """Steps taken in each row's episode, (N,) int64."""

    @abstractmethod
    def action_masks(self) -> np.ndarray:
        """Returns which discrete actions are valid now, (N, actions) bool, for sb3-contrib."""

    @abstractmethod
    def _selected_examples(self, options: dict[str, Any]) -> tuple[list[int], Sequence[Any]]:
        """Returns the rows to reset, and for each its example, or None to draw one."""

    @abstractmethod
    def _begin_rows(self, rows: list[int], examples: Sequence[Any]) -> None:
        """Starts one or more rows from examples; where it is None, from a drawn one."""

    @abstractmethod
    def _validated_actions(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Returns checked actions of N rows; raises ValueError for those of `active` rows (N,)."""

    @abstractmethod
    def _act(
        self, rows: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Performs the actions of `rows`; returns rewards, terminated and truncated, (N,) each."""

    @abstractmethod
    def _step_values(self) -> dict[str, np.ndarray]:
        """Returns the infos of every step: arrays (N,) by name."""

    @abstractmethod
    def _final_info(self, row: int) -> dict[str, Any]:
        """Returns the info at the end of an episode: `prompt`, `reference`, `ending`, `scores`."""

    @abstractmethod
    def _prompt(self, row: int) -> str:
        """Returns the text that a row's episode started from."""

    @abstractmethod
    def observe(self) -> Observations:
        """Returns the observations of N rows, in new arrays."""

    @abstractmethod
    def _get_episodes(self) -> Any:  # noqa: ANN401 - defined by the subclass
        """Returns everything that `_set_episodes` needs, in plain values."""

    @abstractmethod
    def _checked_episodes(self, episodes: Any, over: np.ndarray) -> Any:  # noqa: ANN401
        """Returns episodes for `_set_episodes`; raises ValueError if they do not fit `over`."""

    @abstractmethod
    def _set_episodes(self, episodes: Any) -> None:  # noqa: ANN401 - defined by the subclass
        """Restores episodes; which rows are over is set before."""

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns baselines that follow a rule: functions by name, each gives N actions."""
        return {}

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Starts a new episode in every row, or in the rows of `options["reset_mask"]`.

        Args:
            seed: Row i is seeded seed + i; a list gives the seed of each row. Rows that are not
                reset keep their generators.
            options: `reset_mask` (N,) bool; to select examples, `index` (a number, or N numbers),
                or in environments that write text, `prompt` (a text, or N texts).

        Raises:
            gymnasium.error.ResetNeeded: If the first reset, or the first after a step that failed,
                leaves out rows.
            ValueError: If a seed or an option is not allowed; then nothing has changed.
        """
        rows, examples = self._selected_examples({} if options is None else options)
        if self._unready and len(rows) < self.num_envs:
            raise gym.error.ResetNeeded(
                f"Got a reset_mask of rows {rows} {self._unready}; call reset() without one first."
            )
        seeds = seeds_for_rows(seed, self.num_envs)
        self._unready = "after a reset() that failed"
        self._seed_rows(rows, seeds)
        self._begin(rows, examples)
        observations, self._unready = self.observe(), None
        return observations, self._add_prompts({}, rows)

    def step(
        self, actions: np.ndarray
    ) -> tuple[Observations, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Performs one action in every running row.

        A step that fails, because a caller's own score raises or memory runs out, may have written
        in some rows only: all rows have to be reset, or restored, before the next step.

        Raises:
            gymnasium.error.ResetNeeded: If a row is over and has to be reset by the caller, or an
                earlier step failed.
            ValueError: If an action is not in the action space; then nothing has changed.
        """
        if self._unready or self._over.any():
            self._require_begun()
        active = ~self._over
        actions = self._validated_actions(actions, active)
        rows = np.flatnonzero(active)
        self._unready = "after a step() that failed"
        rewards, terminated, truncated = self._act(rows, actions)
        infos = self._infos(rows)
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._begin_drawn(np.flatnonzero(~active).tolist(), infos)
        self._over = terminated | truncated
        if self._over.any():
            self._finish(infos)
        observations, self._unready = self.observe(), None
        return observations, rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """Returns one frame a row: ANSI text or (H, W, 3) uint8; None without a render mode."""
        if self.render_mode is None:
            return None
        draw = rendering.ansi if self.render_mode == "ansi" else rendering.rgb
        return tuple(draw(transcript) for transcript in self.transcripts)

    def get_state(self) -> dict[str, Any]:
        """Returns the state for `set_state`: plain arrays, lists and dicts.

        Raises:
            gymnasium.error.ResetNeeded: If no episode has begun, or a step failed.
        """
        self._require_ready("get_state()")
        states = [rng.bit_generator.state for rng in self._rngs]
        return {"episodes": self._get_episodes(), "over": self._over.copy(), "generators": states}

    def set_state(self, state: dict[str, Any]) -> Observations:
        """Restores a state of `get_state` and returns its observations (N, ...).

        The KV cache, or a model that was adjusted, is rebuilt: on CPU all that follows is the same
        bit for bit.

        Raises:
            ValueError: If the state is of an environment with other rows or arguments; then nothing
                has changed.
        """
        check_parts("of a vector environment", state, ("episodes", "over", "generators"))
        check_arrays(state, {"over": self._over})
        check_lists(state, ("generators",), self.num_envs)
        generators = restored_generators(state["generators"])
        over = np.array(state["over"], bool)
        episodes = self._checked_episodes(state["episodes"], over)
        self._unready, self._over = "after a set_state() that failed", over
        self._set_episodes(episodes)
        self._rngs[:], self._seeds[:] = generators, [UNKNOWN_SEED] * self.num_envs
        observations, self._unready = self.observe(), None
        return observations

    def _require_begun(self) -> None:
        self._require_ready("step()")
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP and self._over.any():
            if self.num_envs == 1:
                raise gym.error.ResetNeeded("Got step() of a finished episode; call reset().")
            raise gym.error.ResetNeeded(
                f"Got step() while the episodes of rows {np.flatnonzero(self._over).tolist()} are "
                "over; call reset(options={'reset_mask': mask}) with these rows True."
            )

    def _require_ready(self, what: str) -> None:
        if self._unready:
            raise gym.error.ResetNeeded(f"Got {what} {self._unready}; call reset() first.")

    def _infos(self, rows: np.ndarray) -> dict[str, Any]:
        """Returns the infos of a step, with a mask of the rows that acted beside each."""
        has_acted = np.zeros(self.num_envs, bool)
        has_acted[rows] = True
        infos: dict[str, Any] = {}
        for name, values in self._step_values().items():
            is_number = values.dtype != object
            infos[name] = np.where(has_acted, values, 0) if is_number else values
            infos[f"_{name}"] = has_acted.copy()
        return infos

    def _finish(self, infos: dict[str, Any]) -> None:
        """Adds the final infos of rows that are over; in SAME_STEP mode, starts them again."""
        rows: list[int] = np.flatnonzero(self._over).tolist()
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            add_infos(infos, rows, [self._final_info(row) for row in rows], self.num_envs)
            return
        final = np.full(self.num_envs, None, object)
        observations = self.observe()
        reported = [name for name in infos if not name.startswith("_")]
        for row in rows:
            final[row] = index_row(observations, row)
        step_infos = values_of_rows(infos, reported, rows)
        pairs = zip(rows, step_infos, strict=True)
        final_infos = [{"final_info": info | self._final_info(row)} for row, info in pairs]
        add_infos(infos, rows, final_infos, self.num_envs)
        infos["final_obs"], infos["_final_obs"] = final, self._over.copy()
        for name in reported:
            infos[f"_{name}"][rows] = False
        self._begin_drawn(rows, infos)

    def _seed_rows(self, rows: Sequence[int], seeds: np.ndarray) -> None:
        """Seeds the generators of `rows` by `seeds` (N,), where it is not None."""
        for row in rows:
            if seeds[row] is not None:
                self._rngs[row], self._seeds[row] = seeding.np_random(int(seeds[row]))

    def _begin_drawn(self, rows: list[int], infos: dict[str, Any]) -> None:
        self._begin(rows, [None] * len(rows))
        self._add_prompts(infos, rows)

    def _add_prompts(self, infos: dict[str, Any], rows: list[int]) -> dict[str, Any]:
        """Returns infos with the prompts of `rows`, whose episodes begin now."""
        add_infos(infos, rows, [{"prompt": self._prompt(row)} for row in rows], self.num_envs)
        return infos

    def _begin(self, rows: list[int], examples: Sequence[Any]) -> None:
        if rows:
            self._begin_rows(rows, examples)
            self._over[rows] = False
