"""N episodes side by side: who acts, who is over, who begins again.

Owns seeds, generators, autoreset and what is reported when. What an action does, what it is worth
and what there is to see is said by who derives from it; nobody else steps episodes.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lm_envs import rendering
from lm_envs.envs.reset_options import seeds_for_rows
from lm_envs.envs.snapshots import check_arrays, check_parts, restored_generators
from lm_envs.transcript import Transcript
from lm_envs.validation import check_choice

RENDER_MODES = ("ansi", "rgb_array")

UNKNOWN_SEED = -1
"""Gymnasium's word for the seed of a generator that somebody set."""

Observations = np.ndarray | dict[str, np.ndarray]
"""Of N rows: one array (N, ...), or several by name."""


class EpisodicVectorEnv(VectorEnv, ABC):
    """N rows, each with an episode and a generator of its own.

    Row i draws from its own generator, seeded seed + i, and replays the single environment, which
    is row 0 of one, seeded seed + i.

    Args:
        num_envs: N.
        observation_space: Of one row.
        action_space: Of one row.
        autoreset_mode: "next_step", "same_step" or "disabled", or Gymnasium's enum.
        render_mode: None, "ansi" or "rgb_array".

    Raises:
        ValueError: If a mode is not allowed; the message names the allowed ones.
    """

    metadata = {  # noqa: RUF012 - Gymnasium's name and type; instances hold their own copy
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        *,
        autoreset_mode: str | AutoresetMode,
        render_mode: str | None,
    ) -> None:
        check_modes(autoreset_mode, render_mode)
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self._over = np.ones(num_envs, bool)  # (N,) True until a row's first reset
        self._unready: str | None = "before the first reset()"  # why rows cannot go on
        rngs = [seeding.np_random() for _ in range(num_envs)]
        self._rngs, self._seeds = [rng for rng, _ in rngs], [seed for _, seed in rngs]
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self.num_envs = num_envs
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]  # as Gymnasium's own batches
        """Each row's generator, as `gymnasium.vector.SyncVectorEnv` tells them."""
        return tuple(self._rngs)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]  # as Gymnasium's own batches
        """What each row's generator was seeded with; -1 where a state was restored."""
        return tuple(self._seeds)

    def __reduce__(self) -> tuple[Any, ...]:
        raise not_copyable_error(self, "gymnasium.make_vec")

    @property
    @abstractmethod
    def num_examples(self) -> int:
        """How many examples episodes are drawn from."""

    @property
    @abstractmethod
    def transcripts(self) -> list[Transcript]:
        """Each row's episode so far."""

    @property
    @abstractmethod
    def steps(self) -> np.ndarray:
        """Steps taken in each row's episode, (N,) int64."""

    @abstractmethod
    def action_masks(self) -> np.ndarray:
        """Which discrete actions are sensible now, (N, actions) bool; as sb3-contrib asks for."""

    @abstractmethod
    def _selected_examples(self, options: dict[str, Any]) -> tuple[list[int], Sequence[Any]]:
        """Rows that `options` reset, and for each its pinned example, or None to draw one."""

    @abstractmethod
    def _begin_rows(self, rows: list[int], examples: Sequence[Any]) -> None:
        """Starts one or more rows from examples; where there is None, the row draws one."""

    @abstractmethod
    def _validated_actions(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """The actions of N rows, of which the `active` (N,) are to act; or a ValueError."""

    @abstractmethod
    def _act(
        self, rows: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lets `rows` act; rewards, and which rows terminated and were truncated, (N,) each."""

    @abstractmethod
    def _step_values(self) -> dict[str, np.ndarray]:
        """What every step reports of each row: arrays (N,) by name."""

    @abstractmethod
    def _final_info(self, row: int) -> dict[str, Any]:
        """What the end of an episode reports: `prompt`, `reference`, `ending`, `scores`."""

    @abstractmethod
    def _prompt(self, row: int) -> str:
        """What a row's episode started from, in words."""

    @abstractmethod
    def _observe(self) -> Observations:
        """Observations of N rows, in new arrays."""

    @abstractmethod
    def _get_episodes(self) -> Any:  # noqa: ANN401 - of who derives
        """Everything `_set_episodes` needs, in plain values."""

    @abstractmethod
    def _check_episodes(self, episodes: Any) -> None:  # noqa: ANN401 - a caller's
        """Refuses what is not of `_get_episodes` here, by a ValueError."""

    @abstractmethod
    def _set_episodes(self, episodes: Any) -> None:  # noqa: ANN401 - of who derives
        """Returns to episodes of `_get_episodes`; which rows are over is told already."""

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Begins a new episode in every row, or in the rows of `options["reset_mask"]`.

        Args:
            seed: Row i draws its examples from seed + i; a list seeds rows one by one. Rows that
                do not begin keep their generators.
            options: `reset_mask` (N,) bool; and to pin examples `index` (a number, or (N,)
                numbers), or where episodes start from a text `prompt` (a text, or N texts).

        Raises:
            gymnasium.error.ResetNeeded: If the first reset leaves out rows, or the first after a
                step that failed.
            ValueError: If a seed or an option is not allowed; nothing has changed then.
        """
        rows, examples = self._selected_examples(options or {})
        if self._unready and len(rows) < self.num_envs:
            raise gym.error.ResetNeeded(
                f"Got a reset_mask of rows {rows} {self._unready}; call reset() without one first."
            )
        seeds = seeds_for_rows(seed, self.num_envs)[rows]
        self._unready = "after a reset() that failed"
        for row, own in zip(rows, seeds, strict=True):
            if own is not None:
                self._rngs[row], self._seeds[row] = seeding.np_random(int(own))
        self._begin(rows, examples)
        observations = self._observe()
        self._unready = None
        return observations, self._add_prompts({}, rows)

    def step(
        self, actions: np.ndarray
    ) -> tuple[Observations, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Lets every running row act once.

        A step that fails, because a caller's own score raises or memory runs out, may have written
        in some rows and not in others: all have to be reset, or restored, before the next.

        Raises:
            gymnasium.error.ResetNeeded: If a row is over and nobody is to reset it, or an earlier
                step failed.
            ValueError: If an action is not in the action space; nothing has changed then.
        """
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
        observations = self._observe()
        self._unready = None
        return observations, rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """One frame a row: ANSI text or (H, W, 3) uint8; None without a render mode."""
        if self.render_mode is None:
            return None
        draw = rendering.ansi if self.render_mode == "ansi" else rendering.rgb
        return tuple(draw(transcript) for transcript in self.transcripts)

    def get_state(self) -> dict[str, Any]:
        """Everything `set_state` needs to go on from here: plain arrays, lists and dicts.

        Raises:
            gymnasium.error.ResetNeeded: If no episode has begun, or a step failed.
        """
        self._require_ready("get_state()")
        generators = [rng.bit_generator.state for rng in self._rngs]
        return {
            "episodes": self._get_episodes(),
            "over": self._over.copy(),
            "generators": generators,
        }

    def set_state(self, state: dict[str, Any]) -> Observations:
        """Returns to a state of `get_state`; the observations there (N, ...).

        What the model has read or learned is rebuilt: what follows is the same bit for bit.

        Raises:
            ValueError: If the state is of an environment with other rows or arguments; nothing has
                changed then.
        """
        check_parts("of environments side by side", state, ("episodes", "over", "generators"))
        self._check_sizes(state)
        check_arrays(state, {"over": self._over})
        generators = restored_generators(state["generators"])
        self._check_episodes(state["episodes"])
        self._unready = "after a set_state() that failed"
        self._over = np.array(state["over"], bool)
        self._set_episodes(state["episodes"])
        self._rngs, self._seeds = generators, [UNKNOWN_SEED] * self.num_envs
        observations = self._observe()
        self._unready = None
        return observations

    def _check_sizes(self, state: dict[str, Any]) -> None:
        sizes = [len(state[name]) if np.ndim(state[name]) else 0 for name in ("over", "generators")]
        if sizes != [self.num_envs, self.num_envs]:
            raise ValueError(f"Got a state of {min(sizes)} rows; allowed: {self.num_envs}.")

    def _require_begun(self) -> None:
        self._require_ready("step()")
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP and self._over.any():
            over = np.flatnonzero(self._over).tolist()
            raise gym.error.ResetNeeded(
                f"Got step() while the episodes of rows {over} are over; call "
                "reset(options={'reset_mask': mask}) with these rows True."
            )

    def _require_ready(self, what: str) -> None:
        if self._unready:
            raise gym.error.ResetNeeded(f"Got {what} {self._unready}; call reset() first.")

    def _infos(self, rows: np.ndarray) -> dict[str, Any]:
        has_acted = np.isin(np.arange(self.num_envs), rows)
        infos: dict[str, Any] = {}
        for name, values in self._step_values().items():
            is_number = np.issubdtype(values.dtype, np.number)
            infos[name] = np.where(has_acted, values, 0) if is_number else values
            infos[f"_{name}"] = has_acted.copy()
        return infos

    def _finish(self, infos: dict[str, Any]) -> None:
        """Reports the rows that are over, and begins them again where the mode says so."""
        rows: list[int] = np.flatnonzero(self._over).tolist()
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            for row in rows:
                self._add_info(infos, self._final_info(row), row)
            return
        final = np.full(self.num_envs, None, object)
        observations = self._observe()
        reported = [name for name in infos if not name.startswith("_")]
        for row in rows:
            final[row] = index_row(observations, row)
            of_step = {name: to_python(infos[name][row]) for name in reported}
            self._add_info(infos, {"final_info": of_step | self._final_info(row)}, row)
        infos["final_obs"], infos["_final_obs"] = final, self._over.copy()
        for name in reported:
            infos[f"_{name}"][rows] = False
        self._begin_drawn(rows, infos)

    def _begin_drawn(self, rows: list[int], infos: dict[str, Any]) -> None:
        self._begin(rows, [None] * len(rows))
        self._add_prompts(infos, rows)

    def _add_prompts(self, infos: dict[str, Any], rows: list[int]) -> dict[str, Any]:
        """Infos with what the episodes of `rows`, which begin now, start from."""
        for row in rows:
            infos = self._add_info(infos, {"prompt": self._prompt(row)}, row)
        return infos

    def _begin(self, rows: list[int], examples: Sequence[Any]) -> None:
        if rows:
            self._begin_rows(rows, examples)
            self._over[rows] = False


def check_modes(autoreset_mode: str | AutoresetMode, render_mode: str | None) -> None:
    """Refuses modes that there are not, before anything is built.

    Raises:
        ValueError: Naming those that there are.
    """
    check_choice("render_mode", render_mode, (None, *RENDER_MODES))
    _autoreset_mode(autoreset_mode)


def not_copyable_error(env: object, make: str) -> TypeError:
    """What is raised where an environment is copied or pickled: it is worth its model's memory."""
    return TypeError(
        f"Got a copy or pickle of {type(env).__name__}, which holds a model and cannot be divided "
        f"from it; make another by {make}(env.spec), reset it, and let it go on "
        "by other.unwrapped.set_state(env.unwrapped.get_state())."
    )


def index_row(observations: Observations, row: int) -> Any:  # noqa: ANN401 - an array, or several
    """One row's observation."""
    if isinstance(observations, dict):
        return {name: values[row] for name, values in observations.items()}
    return observations[row]


def to_python(value: Any) -> Any:  # noqa: ANN401 - an entry of an array
    """A number of NumPy's as one of Python's; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """Gymnasium's enum from its value or its name in lower case."""
    if isinstance(mode, AutoresetMode):
        return mode
    names = {member.name.lower(): member for member in AutoresetMode}
    check_choice("autoreset_mode", mode, names)
    return names[mode]
