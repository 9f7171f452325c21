"""Distance from the frozen model: what is taken from rewards, and what is reported.

Owns the penalty's coefficient. The frozen model is the environment's own, which says how likely it
found every word.
"""

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from agents.language_model.policy import LanguageModelPolicy
from lm_envs.transcript import Transcript

LARGEST_CHANGE = 0.2
"""Most that one rollout changes the coefficient by, as a share of it."""


class DivergencePenalty(VecEnvWrapper):
    """Takes `coefficient * (log p_policy - log p_frozen)` from the reward of every word.

    Summed over an episode this is an unbiased estimate of the divergence KL(policy, frozen). What
    episodes report as their return does not contain it.

    Args:
        venv: Whose infos hold `logprob`, that of the frozen model.
        coefficient: Of the penalty, reward per nat.
        target: Nats per word that `adapt` steers to; None keeps the coefficient. Source: Ziegler
            et al. 2019, https://arxiv.org/abs/1909.08593
    """

    def __init__(self, venv: VecEnv, coefficient: float, target: float | None = None) -> None:
        super().__init__(venv)
        self.coefficient = coefficient
        self.policy: LanguageModelPolicy | None = None
        self._target = target
        self._gaps: list[np.ndarray] = []

    def reset(self) -> np.ndarray | dict[str, np.ndarray]:  # type: ignore[override]  # no tuples here
        """Begins N episodes."""
        return self.venv.reset()  # type: ignore[return-value]

    def step_wait(self):  # noqa: ANN201 - as VecEnv's
        """Advances every row."""
        assert self.policy is not None, "the policy is set before the first step"
        observations, rewards, dones, infos = self.venv.step_wait()
        frozen = np.array([info["logprob"] for info in infos])
        gaps = self.policy.last_log_probs.cpu().numpy() - frozen
        self._gaps.append(gaps)
        return observations, (rewards - self.coefficient * gaps).astype(np.float32), dones, infos

    def adapt(self) -> float:
        """Mean nats per word since the last call; the coefficient then steers to its target."""
        divergence = float(np.mean(self._gaps))
        self._gaps = []
        if self._target is not None:
            error = np.clip(divergence / self._target - 1.0, -LARGEST_CHANGE, LARGEST_CHANGE)
            self.coefficient *= 1.0 + 0.5 * float(error)
        return divergence


@torch.no_grad()
def divergence_of(policy: LanguageModelPolicy, transcripts: list[Transcript]) -> np.ndarray:
    """Nats per word by which the policy finds each transcript likelier than the frozen model, (P,).

    For episodes of one turn, whose text is the prompt and what was written.
    """
    gaps = []
    for transcript in transcripts:
        ids = np.concatenate([transcript.prompt_tokens, transcript.tokens])
        places = len(transcript.prompt_tokens) - 1 + np.arange(len(transcript.tokens))
        hidden = policy.network(torch.as_tensor(ids)[None])[0, places]
        ours, _ = policy.network.judge(hidden, torch.as_tensor(transcript.tokens))
        gaps.append(float(ours.mean()) - float(transcript.logprobs.mean()))
    return np.array(gaps)
