"""Augmented random search over N rows at once: weights move along random steps of high return.

sb3-contrib's ARS evaluates one candidate in all rows, counts a step of N rows up to N times over,
passes no rewards to callbacks, and draws its candidates before a run can be saved. Owns the
assignment of candidates to rows, and the order of an update; candidates and weight updates are
sb3-contrib's. Knows nothing of language.

Source: Mania et al. 2018, https://arxiv.org/abs/1803.07055.
"""

import copy
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

import numpy as np
import torch
from sb3_contrib import ARS
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import MaybeCallback


class RandomSearch(ARS):
    """ARS that divides the rows among its candidates; arguments are those of `sb3_contrib.ARS`.

    Each of the 2 `n_delta` candidates is evaluated on `n_eval_episodes` episodes, one per row at a
    time. Rows that finish early, and rows without a candidate, continue until the last row has
    finished: their steps count, but their rewards do not. Every row has a candidate if the number
    of rows divides 2 `n_delta` `n_eval_episodes`.
    """

    def learn(  # pyright: ignore[reportIncompatibleMethodOverride] - without async_eval
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "ARS",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Trains for `total_timesteps` steps, counted over all rows.

        Args:
            total_timesteps: The last update may exceed it.
            callback: As in Stable-Baselines3; a rollout is the episodes of one update, and a
                stopped one changes no weights.
            log_interval: Updates between two rows of the log.
            tb_log_name: Name of the run in TensorBoard.
            reset_num_timesteps: Whether to restart the step count; the weights are kept either way.
            progress_bar: Whether to show progress.
        """
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        callback.on_training_start(locals(), globals())
        with suppress(_Stopped):
            while self.num_timesteps < total_timesteps:
                self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
                callback.on_rollout_start()
                self._do_one_update(callback, None)
                if self._n_updates % log_interval == 0:
                    self.dump_logs()
        callback.on_training_end()
        return self

    def evaluate_candidates(
        self, candidate_weights: torch.Tensor, callback: BaseCallback, async_eval: object = None
    ) -> torch.Tensor:
        """Computes the total reward (2 n_delta,) of each candidate over its episodes.

        Args:
            candidate_weights: (2 n_delta, P).
            callback: Called after each step of N rows.
            async_eval: Must be None; rows take the place of processes.
        """
        assert self.env is not None
        policies = [self._policy_of(weights) for weights in candidate_weights]
        # Index of the candidate that plays each episode.
        owners = np.tile(np.arange(len(policies)), self.n_eval_episodes)
        num_rows = self.env.num_envs
        returns = [
            self._run_episodes(policies, owners[start : start + num_rows], callback)
            for start in range(0, len(owners), num_rows)
        ]
        callback.on_rollout_end()
        totals = np.bincount(owners, np.concatenate(returns))
        return torch.as_tensor(totals, dtype=torch.float32, device=self.device)

    def set_parameters(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - sb3-contrib's
        """Sets parameters as sb3-contrib does, and the weights from which the search continues."""
        super().set_parameters(*args, **kwargs)
        self.weights = torch.nn.utils.parameters_to_vector(self.policy.parameters()).detach()

    def _policy_of(self, weights: torch.Tensor) -> BasePolicy:
        policy = copy.deepcopy(self.policy)
        policy.load_from_vector(weights.cpu().numpy())
        return policy

    def _run_episodes(
        self, policies: Sequence[BasePolicy], owners: np.ndarray, callback: BaseCallback
    ) -> np.ndarray:
        """Runs one episode in each of the first R rows; returns their total rewards (R,).

        Args:
            policies: All candidates.
            owners: (R,) index of the candidate that acts in each row.
            callback: Called after each step.

        Raises:
            _Stopped: If the callback returns False.
        """
        assert self.env is not None
        num_rows, num_episodes = self.env.num_envs, len(owners)
        owners = np.resize(owners, num_rows)
        totals, is_counted = np.zeros(num_rows), np.arange(num_rows) < num_episodes
        observations = self.env.reset()
        while is_counted.any():
            stepped: Any = self.env.step(self._act(policies, owners, np.asarray(observations)))
            observations, rewards, dones, infos = stepped
            self.num_timesteps += num_rows
            callback.update_locals({"rewards": rewards, "infos": infos, "dones": dones})
            if not callback.on_step():
                raise _Stopped
            totals[is_counted] += rewards[is_counted] + self.alive_bonus_offset
            self._update_info_buffer([infos[row] for row in np.flatnonzero(is_counted)])
            is_counted &= ~dones
        return totals[:num_episodes]

    def _act(
        self, policies: Sequence[BasePolicy], owners: np.ndarray, observations: np.ndarray
    ) -> np.ndarray:
        """Returns actions (N, ...), each by the candidate of its row."""
        shape = len(owners), *(self.action_space.shape or ())
        actions = np.zeros(shape, self.action_space.dtype)
        for owner in np.unique(owners):
            rows = np.flatnonzero(owners == owner)
            actions[rows] = policies[owner].predict(observations[rows])[0]
        return actions


class _Stopped(Exception):  # noqa: N818 - control flow, not an error
    """A callback ended the training during an update."""
