"""Augmented random search over N rows at once: weights move along the random steps that paid.

sb3-contrib's ARS lets all rows play one candidate, counts a step of N rows up to N times over,
shows callbacks no rewards, and draws its candidates before a run can be saved. Owns who plays in
which row, and the order of an update; candidates and step are sb3-contrib's. Knows nothing of
language.

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
    """ARS that divides the rows among its candidates; arguments are `sb3_contrib.ARS`'s.

    Each of the 2 `n_delta` candidates plays `n_eval_episodes` episodes, one in a row at a time.
    Rows that are done before the last go on unjudged, and so do rows without a candidate: their
    steps count, and teach nothing. None is without where their number divides
    2 `n_delta` `n_eval_episodes`.
    """

    def learn(  # pyright: ignore[reportIncompatibleMethodOverride] - rows stand in for processes
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "ARS",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Learns for so many steps, counted over all rows.

        Args:
            total_timesteps: The last update may pass it.
            callback: As in Stable-Baselines3; a rollout is the episodes of one update, and one that
                is stopped changes no weights.
            log_interval: Updates between two rows of the log.
            tb_log_name: Of the run in TensorBoard.
            reset_num_timesteps: Begin to count anew; the weights go on either way.
            progress_bar: Show progress.
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
        """Total reward (2 n_delta,) of each candidate over its episodes.

        Args:
            candidate_weights: (2 n_delta, P).
            callback: Called after each step of N rows.
            async_eval: None; rows stand in for processes.
        """
        assert self.env is not None
        policies = [self._policy_of(weights) for weights in candidate_weights]
        owners = np.tile(np.arange(len(policies)), self.n_eval_episodes)  # of all episodes
        num_rows = self.env.num_envs
        returns = [
            self._play(policies, owners[start : start + num_rows], callback)
            for start in range(0, len(owners), num_rows)
        ]
        callback.on_rollout_end()
        totals = np.bincount(owners, np.concatenate(returns))
        return torch.as_tensor(totals, dtype=torch.float32, device=self.device)

    def set_parameters(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - sb3-contrib's
        """As sb3-contrib does; the search goes on from there, not from the weights it had."""
        super().set_parameters(*args, **kwargs)
        self.weights = torch.nn.utils.parameters_to_vector(self.policy.parameters()).detach()

    def _policy_of(self, weights: torch.Tensor) -> BasePolicy:
        policy = copy.deepcopy(self.policy)
        policy.load_from_vector(weights.cpu().numpy())
        return policy

    def _play(
        self, policies: Sequence[BasePolicy], owners: np.ndarray, callback: BaseCallback
    ) -> np.ndarray:
        """Total rewards (R,) of one episode in each of the first R rows.

        Args:
            policies: All candidates.
            owners: (R,) which of them plays in a row.
            callback: Called after each step.

        Raises:
            _Stopped: If the callback says so.
        """
        assert self.env is not None
        num_rows, num_episodes = self.env.num_envs, len(owners)
        owners = np.resize(owners, num_rows)
        totals, is_judged = np.zeros(num_rows), np.arange(num_rows) < num_episodes
        observations = self.env.reset()
        while is_judged.any():
            stepped: Any = self.env.step(self._act(policies, owners, np.asarray(observations)))
            observations, rewards, dones, infos = stepped
            self.num_timesteps += num_rows
            callback.update_locals({"rewards": rewards, "infos": infos, "dones": dones})
            if not callback.on_step():
                raise _Stopped
            totals[is_judged] += rewards[is_judged] + self.alive_bonus_offset
            self._update_info_buffer([infos[row] for row in np.flatnonzero(is_judged)])
            is_judged &= ~dones
        return totals[:num_episodes]

    def _act(
        self, policies: Sequence[BasePolicy], owners: np.ndarray, observations: np.ndarray
    ) -> np.ndarray:
        """Actions (N, ...), each by the candidate that its row belongs to."""
        shape = len(owners), *(self.action_space.shape or ())
        actions = np.zeros(shape, self.action_space.dtype)
        for owner in np.unique(owners):
            rows = np.flatnonzero(owners == owner)
            actions[rows] = policies[owner].predict(observations[rows])[0]
        return actions


class _Stopped(Exception):  # noqa: N818 - no error
    """A callback ended the training in the midst of an update."""
