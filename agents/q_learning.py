"""Tabular Q-learning over N rows at once: Q(s,a) <- Q(s,a) + lr (r + gamma max Q(s',.) - Q(s,a)).

For environments of discrete states and actions, such as those seen through a reducer. Owns the
table; knows nothing of language.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.vec_env import VecEnv

from agents.transitions import Step, rows_of
from lm_envs.arrays import read_arrays, write_arrays
from lm_envs.checks import check_choice

UPDATES = ("q", "double_q", "expected_sarsa")
_KIND = "tabular_q"

Update = Literal["q", "double_q", "expected_sarsa"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a table is learned.

    Attributes:
        update: "q" looks at the best next action, "double_q" at the best of one table valued by
            another (van Hasselt 2010), "expected_sarsa" at the mean of the exploring policy.
        learning_rate: Of an entry's first update; of its n-th, `learning_rate / n**visit_decay`.
        visit_decay: 0 keeps the rate; 1 with rate 1 averages all targets. Over 0.5, up to 1, every
            table converges (Robbins and Monro); near 0.5 it forgets its beginnings sooner.
        gamma: Discount, in [0, 1].
        exploration_fraction: Share of the training over which epsilon falls linearly.
        exploration_initial_eps: Epsilon at the start.
        exploration_final_eps: Epsilon after that.
    """

    update: Update = "q"
    learning_rate: float = 0.1
    visit_decay: float = 0.0
    gamma: float = 0.99
    exploration_fraction: float = 0.5
    exploration_initial_eps: float = 1.0
    exploration_final_eps: float = 0.05

    def __post_init__(self) -> None:
        check_choice("update", self.update, UPDATES)
        for name, value in asdict(self).items():
            if name != "update" and not 0.0 <= value <= 1.0:
                raise ValueError(f"Got {name}={value!r}; allowed: 0 to 1.")


class TabularQ:
    """A table of action values, used like a Stable-Baselines3 algorithm.

    Args:
        env: A Stable-Baselines3 `VecEnv`, or a Gymnasium `VectorEnv` in autoreset mode SAME_STEP,
            of discrete observations and actions.
        seed: Of exploration, and of the environment's first reset.
        settings: The fields of `Settings`.

    Attributes:
        tables: (1, S, A) float64 action values; (2, S, A) for "double_q".
        visits: (1 or 2, S, A) int64 updates of each entry.
        num_timesteps: Steps taken, counted over all rows.

    Raises:
        ValueError: If the environment's spaces are not discrete, or a setting is out of range.
    """

    def __init__(
        self,
        env: VectorEnv | VecEnv,
        *,
        seed: int | None = None,
        **settings: Any,  # noqa: ANN401 - see Settings
    ) -> None:
        self.settings = Settings(**settings)
        num_states, num_actions = _sizes(env)
        self._rows = rows_of(env)
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        shape = (2 if self.settings.update == "double_q" else 1, num_states, num_actions)
        self.tables, self.visits = np.zeros(shape), np.zeros(shape, np.int64)
        self.num_timesteps = 0
        self.epsilon = self.settings.exploration_initial_eps
        self._observations: np.ndarray | None = None

    @property
    def values(self) -> np.ndarray:
        """(S, A) action values that the agent acts by."""
        return self.tables.mean(0)

    def learn(
        self, total_timesteps: int, callback: Callable[[Self], bool | None] | None = None
    ) -> Self:
        """Goes on learning for so many steps, counted over all rows; epsilon falls within them.

        Args:
            total_timesteps: The last step of all rows may pass it.
            callback: Called with this agent after each step of all rows; False ends the training.
        """
        start = self.num_timesteps
        if self._observations is None:
            self._observations = self._rows.reset(self._seed)
        while self.num_timesteps - start < total_timesteps:
            self.epsilon = self._epsilon((self.num_timesteps - start) / total_timesteps)
            actions = self._explore(self._observations)
            step = self._rows.step(actions)
            self._update(self._observations, actions, step)
            self._observations = step.observations
            self.num_timesteps += len(actions)
            if callback is not None and callback(self) is False:
                break
        return self

    def predict(
        self,
        observation: np.ndarray,
        state: None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, None]:
        """Actions for observations (N,): the best; or, unless deterministic, exploring ones.

        Args:
            observation: (N,) whole numbers, or one.
            state: None: the agent has no memory.
            episode_start: Ignored, for the same reason.
            deterministic: Whether to leave out exploration.
        """
        states = np.asarray(observation)
        rows = np.atleast_1d(states)
        actions = self._best(rows) if deterministic else self._explore(rows)
        return actions.reshape(states.shape), None

    def save(self, path: str | Path) -> None:
        """Writes table, visits, settings and random state to one safetensors file."""
        header = {
            "kind": _KIND,
            "settings": asdict(self.settings),
            "num_timesteps": self.num_timesteps,
            "epsilon": self.epsilon,
            "generator": self._rng.bit_generator.state,
        }
        write_arrays(Path(path), {"tables": self.tables, "visits": self.visits}, header)

    @classmethod
    def load(cls, path: str | Path, env: VectorEnv | VecEnv) -> Self:
        """The agent that `save` wrote; its next `learn` begins new episodes.

        Raises:
            ValueError: If the file holds something else, or a table of another size.
        """
        arrays, header = read_arrays(Path(path), [_KIND])
        agent = cls(env, **header["settings"])
        if arrays["tables"].shape != agent.tables.shape:
            raise ValueError(
                f"Got a table of {arrays['tables'].shape[1:]} states and actions in {path}; this "
                f"environment has {agent.tables.shape[1:]}. Use the reducer it was trained with."
            )
        agent.tables, agent.visits = arrays["tables"], arrays["visits"]
        agent.num_timesteps, agent.epsilon = header["num_timesteps"], header["epsilon"]
        agent._rng.bit_generator.state = header["generator"]
        return agent

    def _epsilon(self, progress: float) -> float:
        settings = self.settings
        first, last = settings.exploration_initial_eps, settings.exploration_final_eps
        if progress >= settings.exploration_fraction:
            return last
        return first + (last - first) * progress / settings.exploration_fraction

    def _best(self, states: np.ndarray) -> np.ndarray:
        """Actions (N,) of most value; of equals the first."""
        return self.tables[:, states].sum(0).argmax(1)

    def _explore(self, states: np.ndarray) -> np.ndarray:
        """Actions (N,): any with probability epsilon, otherwise the best."""
        anyone = self._rng.integers(self.tables.shape[2], size=len(states))
        return np.where(self._rng.random(len(states)) < self.epsilon, anyone, self._best(states))

    def _update(self, states: np.ndarray, actions: np.ndarray, step: Step) -> None:
        """Moves the entries that N rows visited towards their targets."""
        tables = self._rng.integers(len(self.tables), size=len(states))
        follow = np.where(step.terminated, 0.0, self._next_values(tables, step.successors))
        targets = step.rewards + self.settings.gamma * follow
        entries = np.ravel_multi_index((tables, states, actions), self.tables.shape)
        self._move(entries, targets)

    def _next_values(self, tables: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Value (N,) of the successors for rows that update `tables` (N,)."""
        values = self.tables[tables, states]  # (N, A)
        best = values.argmax(1)[:, None]
        if self.settings.update == "expected_sarsa":
            return (1.0 - self.epsilon) * values.max(1) + self.epsilon * values.mean(1)
        others = self.tables[len(self.tables) - 1 - tables, states]  # the same, with one table
        return np.take_along_axis(others, best, 1)[:, 0]

    def _move(self, entries: np.ndarray, targets: np.ndarray) -> None:
        """Moves entries (N,) of the flat tables towards targets (N,).

        Rows at the same entry move it together: towards the mean of their targets, as far as they
        would have one after another.
        """
        tables, visits = self.tables.reshape(-1), self.visits.reshape(-1)  # views
        visited, place, counts = np.unique(entries, return_inverse=True, return_counts=True)
        order = np.argsort(place, kind="stable")
        first = np.cumsum(counts) - counts
        nth = np.arange(len(entries)) - np.repeat(first, counts) + 1 + visits[entries[order]]
        rates = self.settings.learning_rate / nth**self.settings.visit_decay  # (N,) in `order`
        kept = np.multiply.reduceat(1.0 - rates, first)
        means = np.bincount(place, targets) / counts
        tables[visited] += (1.0 - kept) * (means - tables[visited])
        visits[visited] += counts


def _sizes(env: VectorEnv | VecEnv) -> tuple[int, int]:
    """Numbers of states and actions."""
    is_gymnasium = isinstance(env, VectorEnv)
    states = env.single_observation_space if is_gymnasium else env.observation_space
    actions = env.single_action_space if is_gymnasium else env.action_space
    if not isinstance(states, gym.spaces.Discrete) or states.start != 0:
        raise ValueError(
            f"Got observations {type(states).__name__} of shape {states.shape}; allowed: Discrete "
            "from 0. Fit a clustered, hashed or binned reducer with agents.fit_reducer and wrap "
            "the environment in VectorReducedObservation, or give it observation={'kind': "
            "'hidden', 'reducer': …}."
        )
    if not isinstance(actions, gym.spaces.Discrete) or actions.start != 0:
        raise ValueError(
            f"Got actions {type(actions).__name__} of shape {actions.shape}; allowed: Discrete "
            "from 0, as actions='top_k'. For continuous actions use SAC or TD3."
        )
    return int(states.n), int(actions.n)
