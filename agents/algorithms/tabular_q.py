"""Tabular Q-learning over N rows at once: Q(s,a) <- Q(s,a) + lr (r + gamma max Q(s',.) - Q(s,a)).

An algorithm of Stable-Baselines3 for discrete states and actions, such as those seen through a
reducer. Owns the table; knows nothing of language.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.utils import safe_mean
from stable_baselines3.common.vec_env import VecEnv

from lm_envs.storage import read_arrays, write_arrays
from lm_envs.validation import check_choice

UPDATES = ("q", "double_q", "expected_sarsa")
_KIND = "tabular_q"

Update = Literal["q", "double_q", "expected_sarsa"]


class TablePolicy(BasePolicy):
    """Acts by a table of action values; exploring, any action with probability epsilon.

    Args:
        observation_space: Discrete, S states.
        action_space: Discrete, A actions.
        num_tables: 1, or 2 that are learned apart and acted by together.

    Raises:
        ValueError: If a space is not discrete.

    Attributes:
        tables: (1 or 2, S, A) float64 action values.
        visits: (1 or 2, S, A) int64 updates of each entry.
        epsilon: () float64.
    """

    tables: torch.Tensor
    visits: torch.Tensor
    epsilon: torch.Tensor

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], num_tables: int
    ) -> None:
        super().__init__(observation_space, action_space)
        num_states, num_actions = _check_spaces(observation_space, action_space)
        shape = num_tables, num_states, num_actions
        self.register_buffer("tables", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("visits", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("epsilon", torch.ones((), dtype=torch.float64))

    def act(self, states: np.ndarray, *, deterministic: bool) -> np.ndarray:
        """Actions (N,) int64 in states (N,): those of most value, of equals the first."""
        best = self.tables[:, torch.as_tensor(states)].sum(0).argmax(1)
        if not deterministic:
            anyone = torch.randint(self.tables.shape[2], best.shape)
            best = torch.where(torch.rand(len(best)) < self.epsilon, anyone, best)
        return best.numpy()

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
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
        return self.act(states.reshape(-1), deterministic=deterministic).reshape(states.shape), None

    def _predict(self, observation: Any, deterministic: bool = False) -> torch.Tensor:  # noqa: ANN401
        return torch.from_numpy(self.act(observation.numpy(), deterministic=deterministic))


class TabularQ(BaseAlgorithm):
    """A table of action values, learned as any algorithm of Stable-Baselines3 is.

    Args:
        policy: "TablePolicy".
        env: N rows of discrete observations and actions.
        learning_rate: Of an entry's first update; of its n-th, `learning_rate / n**visit_decay`.
        update: "q" looks at the best next action, "double_q" at the best of one table valued by
            another (van Hasselt 2010), "expected_sarsa" at the mean of the exploring policy.
        visit_decay: 0 keeps the rate; 1 with rate 1 averages all targets. Over 0.5, up to 1, every
            table converges (Robbins and Monro); near 0.5 it forgets its beginnings sooner.
        gamma: Discount, in [0, 1].
        exploration_fraction: Share of the training over which epsilon falls linearly.
        exploration_initial_eps: Epsilon at the start.
        exploration_final_eps: Epsilon after that.
        tensorboard_log: As in Stable-Baselines3.
        verbose: As in Stable-Baselines3.
        seed: Of exploration, and of the environment's first reset.
        device: "cpu"; a table gains nothing elsewhere.

    Attributes:
        table: The policy: action values and visits.

    Raises:
        ValueError: If the environment's spaces are not discrete, or a setting is out of range.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"TablePolicy": TablePolicy}

    def __init__(
        self,
        policy: str | type[BasePolicy],
        env: VecEnv | gym.Env | str,
        learning_rate: float = 0.1,
        update: Update = "q",
        visit_decay: float = 0.0,
        gamma: float = 0.99,
        exploration_fraction: float = 0.5,
        exploration_initial_eps: float = 1.0,
        exploration_final_eps: float = 0.05,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings: dict[str, Any] = {
            "learning_rate": learning_rate,
            "update": update,
            "visit_decay": visit_decay,
            "gamma": gamma,
            "exploration_fraction": exploration_fraction,
            "exploration_initial_eps": exploration_initial_eps,
            "exploration_final_eps": exploration_final_eps,
        }
        _check_settings(self.settings)
        super().__init__(
            policy,
            env,
            learning_rate,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            support_multi_env=True,
            seed=seed,
            device=device,
        )
        self._setup_model()

    @property
    def values(self) -> np.ndarray:
        """(S, A) action values that the agent acts by."""
        return self.table.tables.numpy().mean(0)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "TabularQ",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Learns for so many steps, counted over all rows; epsilon falls within them.

        Args:
            total_timesteps: The last step of all rows may pass it.
            callback: As in Stable-Baselines3; a rollout is one step of all rows.
            log_interval: Steps of all rows between two rows of the log.
            tb_log_name: Of the run in TensorBoard.
            reset_num_timesteps: Begin to count, and epsilon, anew; the table goes on either way.
            progress_bar: Show progress.
        """
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        callback.on_training_start(locals(), globals())
        is_going_on, num_steps = True, 0
        while is_going_on and self.num_timesteps < total_timesteps:
            callback.on_rollout_start()
            is_going_on = self._step(callback)
            num_steps += 1
            if num_steps % log_interval == 0:
                self._log()
        callback.on_training_end()
        return self

    def save(self, path: str | Path) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Writes tables, visits and settings to one safetensors file."""
        arrays = {name: getattr(self.table, name).numpy() for name in ("tables", "visits")}
        header = {
            "kind": _KIND,
            "settings": self.settings,
            "num_timesteps": self.num_timesteps,
            "epsilon": self.table.epsilon.item(),
        }
        write_arrays(Path(path), arrays, header)

    @classmethod
    def load(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, path: str | Path, env: VecEnv | gym.Env | str
    ) -> Self:
        """The agent that `save` wrote; nothing of the file is executed.

        Raises:
            ValueError: If the file holds something else, or a table of another size.
        """
        arrays, header = read_arrays(Path(path), [_KIND])
        agent = cls("TablePolicy", env, **header["settings"])
        if arrays["tables"].shape != agent.table.tables.shape:
            raise ValueError(
                f"Got a table of {arrays['tables'].shape[1:]} states and actions in {path}; this "
                f"environment has {tuple(agent.table.tables.shape[1:])}. Use the reducer it was "
                "trained with."
            )
        state = {name: torch.from_numpy(array) for name, array in arrays.items()}
        state["epsilon"] = torch.tensor(header["epsilon"], dtype=torch.float64)
        agent.table.load_state_dict(state)
        agent.num_timesteps = header["num_timesteps"]
        return agent

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        num_tables = 2 if self.settings["update"] == "double_q" else 1
        self.table = TablePolicy(self.observation_space, self.action_space, num_tables)
        self.policy = self.table

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy"], []

    def _step(self, callback: BaseCallback) -> bool:
        """Takes and learns from one step of N rows; whether to go on."""
        assert self.env is not None
        states = np.asarray(self._last_obs)
        self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
        self.table.epsilon.fill_(self._epsilon(1.0 - self._current_progress_remaining))
        actions = self.table.act(states, deterministic=False)
        stepped: Any = self.env.step(actions)  # SB3 allows dicts and tuples of observations too
        observations, rewards, dones, infos = stepped
        self.num_timesteps += len(actions)
        callback.update_locals({"rewards": rewards, "infos": infos, "dones": dones})
        is_going_on = callback.on_step()
        self._update_info_buffer(infos, dones)
        self._learn(states, actions, rewards, *_successors(observations, dones, infos))
        self._last_obs = observations
        return is_going_on

    def _epsilon(self, progress: float) -> float:
        first, last = (self.settings[f"exploration_{when}_eps"] for when in ("initial", "final"))
        fraction = self.settings["exploration_fraction"]
        return last if progress >= fraction else first + (last - first) * progress / fraction

    def _learn(
        self,
        states: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        successors: np.ndarray,
        terminated: np.ndarray,
    ) -> None:
        """Moves the entries that N rows visited toward their targets."""
        values = self.table.tables.numpy()
        tables = torch.randint(len(values), (len(states),)).numpy()
        follow = np.where(terminated, 0.0, self._next_values(tables, successors))
        targets = rewards.astype(np.float64) + self.settings["gamma"] * follow
        self._move(np.ravel_multi_index((tables, states, actions), values.shape), targets)

    def _next_values(self, tables: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Value (N,) of the successors for rows that update `tables` (N,)."""
        all_values = self.table.tables.numpy()
        values = all_values[tables, states]  # (N, A)
        if self.settings["update"] == "expected_sarsa":
            epsilon = self.table.epsilon.item()
            return (1.0 - epsilon) * values.max(1) + epsilon * values.mean(1)
        others = all_values[len(all_values) - 1 - tables, states]  # the same, with one table
        return np.take_along_axis(others, values.argmax(1)[:, None], 1)[:, 0]

    def _move(self, entries: np.ndarray, targets: np.ndarray) -> None:
        """Moves entries (N,) of the flat tables toward targets (N,).

        Rows at the same entry move it together: toward the mean of their targets, as far as they
        would have one after another.
        """
        tables, visits = (
            table.numpy().reshape(-1) for table in (self.table.tables, self.table.visits)
        )  # views
        visited, place, counts = np.unique(entries, return_inverse=True, return_counts=True)
        order = np.argsort(place, kind="stable")
        first = np.cumsum(counts) - counts
        nth = np.arange(len(entries)) - np.repeat(first, counts) + 1 + visits[entries[order]]
        rates = self.settings["learning_rate"] / nth ** self.settings["visit_decay"]  # in `order`
        kept = np.multiply.reduceat(1.0 - rates, first)
        means = np.bincount(place, targets) / counts
        tables[visited] += (1.0 - kept) * (means - tables[visited])
        visits[visited] += counts

    def _log(self) -> None:
        if self.ep_info_buffer:
            reward = safe_mean([episode["r"] for episode in self.ep_info_buffer])
            self.logger.record("rollout/ep_rew_mean", reward)
        self.logger.record("rollout/exploration_rate", self.table.epsilon.item())
        self.logger.record("time/total_timesteps", self.num_timesteps)
        self.logger.dump(self.num_timesteps)


def _successors(
    observations: np.ndarray, dones: np.ndarray, infos: Sequence[Mapping[str, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """Where a step of N rows led before anything began again, and whether nothing follows, (N,)."""
    successors, terminated = observations.copy(), dones.copy()
    for row in np.flatnonzero(dones).tolist():
        successors[row] = infos[row]["terminal_observation"]
        terminated[row] = not infos[row].get("TimeLimit.truncated", False)
    return successors, terminated


def _check_settings(settings: Mapping[str, Any]) -> None:
    check_choice("update", settings["update"], UPDATES)
    for name, value in settings.items():
        if name != "update" and not 0.0 <= value <= 1.0:
            raise ValueError(f"Got {name}={value!r}; allowed: 0 to 1.")


def _check_spaces(states: gym.Space[Any], actions: gym.Space[Any]) -> tuple[int, int]:
    """Numbers of states and actions."""
    if not isinstance(states, gym.spaces.Discrete) or states.start != 0:
        raise ValueError(
            f"Got observations {type(states).__name__} of shape {states.shape}; allowed: Discrete "
            "from 0. Fit a clustered, hashed or binned reducer with agents.fit_reducer and give "
            "the environment observation={'kind': 'hidden', 'reducer': …}."
        )
    if not isinstance(actions, gym.spaces.Discrete) or actions.start != 0:
        raise ValueError(
            f"Got actions {type(actions).__name__} of shape {actions.shape}; allowed: Discrete "
            "from 0, as actions='top_k'. For continuous actions use SAC or TD3."
        )
    return int(states.n), int(actions.n)
