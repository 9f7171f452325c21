"""Tabular Q-learning over N rows at once: Q(s,a) <- Q(s,a) + lr (r + gamma max Q(s',.) - Q(s,a)).

An algorithm of Stable-Baselines3 for discrete states and actions, such as those of a reducer. Owns
the training loop and the file of an agent. Knows nothing of language.
"""

from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.utils import safe_mean
from stable_baselines3.common.vec_env import VecEnv

from agents.algorithms.table_policy import TablePolicy
from agents.algorithms.table_updates import Update, move_entries, next_values, successors
from lm_envs.envs.rows import to_python
from lm_envs.storage import read_arrays, write_arrays
from lm_envs.validation import check_choice

_KIND = "tabular_q"


class TabularQ(BaseAlgorithm):
    """Q-learning with a table, with the interface of Stable-Baselines3's algorithms.

    Args:
        policy: "TablePolicy".
        env: N rows of discrete observations and actions.
        learning_rate: Rate of an entry's first update; of its n-th, `learning_rate /
            n**visit_decay`.
        update: "q", "double_q" or "expected_sarsa"; see `next_values`.
        visit_decay: 0 keeps the rate constant; 1 with rate 1 averages all targets. In (0.5, 1]
            every table converges (Robbins and Monro); near 0.5 early targets lose weight sooner.
        gamma: Discount, in [0, 1].
        exploration_fraction: Share of the training over which epsilon falls linearly.
        exploration_initial_eps: Epsilon at the start.
        exploration_final_eps: Epsilon after that.
        tensorboard_log: As in Stable-Baselines3.
        verbose: As in Stable-Baselines3.
        seed: Seed of exploration and of the environment's first reset.
        device: "cpu"; a table is no faster elsewhere.

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
        self.settings = _check_settings(
            learning_rate=learning_rate,
            update=update,
            visit_decay=visit_decay,
            gamma=gamma,
            exploration_fraction=exploration_fraction,
            exploration_initial_eps=exploration_initial_eps,
            exploration_final_eps=exploration_final_eps,
        )
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
    def gamma(self) -> float:
        """Discount."""
        return self.settings["gamma"]

    @property
    def values(self) -> np.ndarray:
        """(S, A) action values; the mean of both tables with double Q-learning."""
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
        """Trains for `total_timesteps` steps, counted over all rows, while epsilon falls linearly.

        Args:
            total_timesteps: The last step of N rows may exceed it.
            callback: As in Stable-Baselines3; a rollout is one step of all rows.
            log_interval: Steps of all rows between two rows of the log.
            tb_log_name: Name of the run in TensorBoard.
            reset_num_timesteps: Whether to restart the step count and epsilon; the table is kept
                either way.
            progress_bar: Whether to show progress.
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
        """Loads an agent written by `save`, without executing code.

        Raises:
            ValueError: If the file is of another kind, or its table has another size.
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
        """Takes one step of N rows and learns from it; returns whether to continue."""
        assert self.env is not None
        states = np.asarray(self._last_obs)
        self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
        self.table.epsilon.fill_(self._epsilon(1.0 - self._current_progress_remaining))
        actions = self.table.act(states, deterministic=False)
        stepped: Any = self.env.step(actions)  # SB3 allows dicts and tuples of observations too
        observations, rewards, dones, infos = stepped
        self.num_timesteps += len(actions)
        callback.update_locals({"rewards": rewards, "infos": infos, "dones": dones})
        if not callback.on_step():
            # As in Stable-Baselines3, the table does not learn from the last step: the agent equals
            # the checkpoint that was written before that step.
            return False
        self._update_info_buffer(infos, dones)
        self._update_table(states, actions, rewards, *successors(observations, dones, infos))
        self._last_obs = observations
        return True

    def _epsilon(self, progress: float) -> float:
        first, last = (self.settings[f"exploration_{when}_eps"] for when in ("initial", "final"))
        fraction = self.settings["exploration_fraction"]
        return last if progress >= fraction else first + (last - first) * progress / fraction

    def _update_table(
        self,
        states: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        reached: np.ndarray,
        is_terminal: np.ndarray,
    ) -> None:
        """Moves the entries that N rows visited toward their targets."""
        values, visits = self.table.tables.numpy(), self.table.visits.numpy()  # views
        tables = torch.randint(len(values), (len(states),)).numpy()
        update, epsilon = self.settings["update"], self.table.epsilon.item()
        follow = next_values(update, values, tables, reached, epsilon)
        follow = np.where(is_terminal, 0.0, follow)
        move_entries(
            values.reshape(-1),
            visits.reshape(-1),
            np.ravel_multi_index((tables, states, actions), values.shape),
            rewards.astype(np.float64) + self.settings["gamma"] * follow,
            learning_rate=self.settings["learning_rate"],
            visit_decay=self.settings["visit_decay"],
        )

    def _log(self) -> None:
        if self.ep_info_buffer:
            reward = safe_mean([episode["r"] for episode in self.ep_info_buffer])
            self.logger.record("rollout/ep_rew_mean", reward)
        self.logger.record("rollout/exploration_rate", self.table.epsilon.item())
        self.logger.record("time/total_timesteps", self.num_timesteps)
        self.logger.dump(self.num_timesteps)


def _check_settings(**settings: Any) -> dict[str, Any]:  # noqa: ANN401 - numbers and a name
    """Returns the settings with plain Python numbers, which the file of an agent can hold."""
    plain = {name: to_python(value) for name, value in settings.items()}
    check_choice("update", plain["update"], get_args(Update))
    for name, value in plain.items():
        if name != "update" and not 0.0 <= value <= 1.0:
            raise ValueError(f"Got {name}={value!r}; allowed: 0 to 1.")
    return plain
