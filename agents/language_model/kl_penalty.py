"""KL penalty: a reward term per token for the divergence of a policy from the frozen model.

Owns the coefficient. It wraps the environment because Stable-Baselines3's callbacks run too late:
advantages are computed before `on_rollout_end`.
"""

from typing import Any, Literal, Protocol

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from lm_envs.sb3 import LanguageVecEnv
from lm_envs.validation import check_choice

Estimator = Literal["k1"]
"""Estimators of the divergence that a reward can be reduced by."""

NO_K3 = (
    "k3 is an estimator for a loss: as a part of the reward its expected gradient is that of"
    " another function, which grows without bound away from the frozen model. Use estimator: k1"
)
"""Why "k3" is refused."""

GAIN = 0.1
LARGEST_ERROR = 0.2
"""Both from Ziegler et al. 2019, section 2.2."""


class TokenPolicy(Protocol):
    """A policy that chooses tokens.

    Attributes:
        last_log_probs: (N,) log-probabilities of the tokens chosen last, nats.
    """

    last_log_probs: torch.Tensor


class KLPenalty(VecEnvWrapper):
    """Subtracts `coefficient` times an estimate of the KL divergence from the reward of each token.

    The frozen model is the environment's own, which reports the log-probability of each token, so
    the penalty costs no further forward pass. Episode returns in the infos stay those of the task.

    Args:
        venv: Made with `actions="vocabulary"`.
        coefficient: Reward per nat.
        target: Nats per token that `adapt` steers to; None leaves the coefficient constant.
        estimator: "k1", log p - log q of the token: the expected gradient of this reward is that of
            the divergence. "k3", q / p - 1 + log p - log q, is refused: it has the same mean, but
            another gradient. Source: http://joschu.net/blog/kl-approx.html

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        venv: LanguageVecEnv,
        *,
        coefficient: float,
        target: float | None = None,
        estimator: str = "k1",
    ) -> None:
        if estimator == "k3":
            raise ValueError(f"Got estimator='k3'; {NO_K3}.")
        check_choice("estimator", estimator, ("k1",))
        if not 0.0 <= coefficient < np.inf:
            raise ValueError(f"Got coefficient={coefficient!r}; allowed: 0 or more.")
        if target is not None and not 0.0 < target < np.inf:
            raise ValueError(f"Got target={target!r}; allowed: over 0 nats per token, or None.")
        super().__init__(venv)
        self.venv: LanguageVecEnv
        self.coefficient = coefficient
        self._target = target
        self._policy: TokenPolicy | None = None
        self._log_probs = np.zeros(0)
        self._nats, self._num_tokens = 0.0, 0

    @property
    def divergence(self) -> float:
        """Mean nats per token since the last `adapt`, by k1; 0 before any token."""
        return self._nats / max(1, self._num_tokens)

    @property
    def num_tokens(self) -> int:
        """Number of tokens since the last `adapt`."""
        return self._num_tokens

    def set_policy(self, policy: TokenPolicy) -> None:
        """Sets the policy whose tokens `step` receives."""
        self._policy = policy

    def reset(self) -> VecEnvObs:
        """Starts N episodes; returns their first observations."""
        return self.venv.reset()

    def step_async(self, actions: np.ndarray) -> None:
        """Receives the N tokens that the policy has just chosen.

        Raises:
            ValueError: If no policy is set, or it did not choose tokens for N rows.
        """
        if self._policy is None or len(self._policy.last_log_probs) != self.num_envs:
            raise ValueError(
                f"Got tokens for {self.num_envs} rows that the policy did not choose; call "
                "set_policy(model.policy) first and step with the tokens that it returns."
            )
        self._log_probs = self._policy.last_log_probs.detach().double().cpu().numpy()
        super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Returns observations, rewards less the penalty, dones and infos."""
        observations, rewards, dones, infos = self.venv.step_wait()
        frozen = np.array([info["logprob"] for info in infos])
        log_ratios = self._log_probs - frozen
        self._nats += float(log_ratios.sum())
        self._num_tokens += len(log_ratios)
        penalty = self.coefficient * log_ratios  # the estimator k1
        return observations, (rewards - penalty).astype(np.float32), dones, infos

    def get_state(self) -> dict[str, Any]:
        """Returns the state for `set_state`, with the wrapped environment's."""
        # "num_words" counts tokens; the key stays, because saved checkpoints hold it.
        own = {"coefficient": self.coefficient, "nats": self._nats, "num_words": self._num_tokens}
        return {"venv": self.venv.get_state(), **own}

    def set_state(self, state: dict[str, Any]) -> VecEnvObs:
        """Restores a state of `get_state`; returns its observations."""
        self.coefficient = state["coefficient"]
        self._nats, self._num_tokens = state["nats"], state["num_words"]
        return self.venv.set_state(state["venv"])

    def adapt(self) -> None:
        """Moves the coefficient toward the target and resets the measured divergence.

        Source: Ziegler et al. 2019, https://arxiv.org/abs/1909.08593, section 2.2; there the target
        is per text, here per token, so that texts may differ in length.
        """
        if self._target is not None:
            error = np.clip(self.divergence / self._target - 1.0, -LARGEST_ERROR, LARGEST_ERROR)
            self.coefficient *= 1.0 + GAIN * float(error)
        self._nats, self._num_tokens = 0.0, 0
