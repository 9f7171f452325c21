"""What a policy pays for straying from the frozen model: a reward term per word.

Owns the coefficient. Lies between environment and algorithm, because Stable-Baselines3's callbacks
come too late: advantages are computed before they are told that a rollout is over.
"""

from typing import Any, Literal, Protocol

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from lm_envs.sb3 import LanguageVecEnv
from lm_envs.validation import check_choice

Estimator = Literal["k1", "k3"]

GAIN = 0.1
LARGEST_ERROR = 0.2
"""Both from Ziegler et al. 2019, section 2.2."""


class Actor(Protocol):
    """Who chose the last words.

    Attributes:
        last_log_probs: (N,) log-probabilities of those words under its own distribution, nats.
    """

    last_log_probs: torch.Tensor


class KLPenalty(VecEnvWrapper):
    """Rewards less `coefficient` times an estimate of the KL divergence at each word.

    The frozen model is the environment's own, which reports the log-probability of each word it is
    given, so the penalty costs no further forward pass. Episode returns in the infos stay those of
    the task.

    Args:
        venv: Of `actions="vocabulary"`.
        coefficient: Reward per nat.
        target: Nats per word that `adapt` steers to; None leaves the coefficient as it is.
        estimator: "k1", log p - log q of the word, unbiased; or "k3", q / p - 1 + log p - log q,
            never negative. Source: http://joschu.net/blog/kl-approx.html

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        venv: LanguageVecEnv,
        *,
        coefficient: float,
        target: float | None = None,
        estimator: Estimator = "k1",
    ) -> None:
        check_choice("estimator", estimator, ("k1", "k3"))
        if not 0.0 <= coefficient < np.inf:
            raise ValueError(f"Got coefficient={coefficient!r}; allowed: 0 or more.")
        if target is not None and not 0.0 < target < np.inf:
            raise ValueError(f"Got target={target!r}; allowed: over 0 nats per word, or None.")
        super().__init__(venv)
        self.venv: LanguageVecEnv
        self.coefficient = coefficient
        self._target = target
        self._estimator: Estimator = estimator
        self._actor: Actor | None = None
        self._log_probs = np.zeros(0)
        self._nats, self._num_words = 0.0, 0

    @property
    def divergence(self) -> float:
        """Mean nats per word since the last `adapt`, by k1; 0 before any word."""
        return self._nats / max(1, self._num_words)

    def watch(self, actor: Actor) -> None:
        """Tells whose words are going to be written."""
        self._actor = actor

    def reset(self) -> VecEnvObs:
        """Begins N episodes."""
        return self.venv.reset()

    def step_async(self, actions: np.ndarray) -> None:
        """Takes N words that the watched actor has just chosen."""
        if self._actor is None or len(self._actor.last_log_probs) != self.num_envs:
            raise ValueError(
                f"Got words for {self.num_envs} rows that no watched actor chose; call "
                "watch(model.policy) first and step with what it chooses."
            )
        self._log_probs = self._actor.last_log_probs.detach().double().cpu().numpy()
        super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Observations, rewards less the penalty, ends and infos."""
        observations, rewards, dones, infos = self.venv.step_wait()
        frozen = np.array([info["logprob"] for info in infos])
        log_ratios = self._log_probs - frozen
        self._nats += float(log_ratios.sum())
        self._num_words += len(log_ratios)
        paid = self.coefficient * estimate(log_ratios, self._estimator)
        return observations, (rewards - paid).astype(np.float32), dones, infos

    def get_state(self) -> dict[str, Any]:
        """Everything `set_state` needs to go on from here, the wrapped environment's included."""
        own = {"coefficient": self.coefficient, "nats": self._nats, "num_words": self._num_words}
        return {"venv": self.venv.get_state(), **own}

    def set_state(self, state: dict[str, Any]) -> VecEnvObs:
        """Returns to a state of `get_state`; the observations there."""
        self.coefficient = state["coefficient"]
        self._nats, self._num_words = state["nats"], state["num_words"]
        return self.venv.set_state(state["venv"])

    def adapt(self) -> None:
        """Moves the coefficient toward the target, and begins to measure anew.

        Source: Ziegler et al. 2019, https://arxiv.org/abs/1909.08593, section 2.2; there the target
        is per text, here per word, so that texts may differ in length.
        """
        if self._target is not None:
            error = np.clip(self.divergence / self._target - 1.0, -LARGEST_ERROR, LARGEST_ERROR)
            self.coefficient *= 1.0 + GAIN * float(error)
        self._nats, self._num_words = 0.0, 0


def estimate(log_ratios: np.ndarray, estimator: Estimator) -> np.ndarray:
    """KL divergence at each word, nats, from log p - log q of words drawn from p."""
    if estimator == "k1":
        return log_ratios
    return np.expm1(-log_ratios) + log_ratios
