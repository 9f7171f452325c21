"""Measures of a language-model policy on held-out prompts after a stage of finetuning.

Owns which completions are written and what is computed from them. Trains nothing; the file of
results and its statistics live in `agents.evaluation.stages`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.utils import obs_as_tensor

from agents.evaluation.rollouts import run_episodes
from agents.evaluation.stages import Stage, Values
from agents.language_model.policy import LanguageModelPolicy
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript

TEXTS_PER_PASS = 16
"""Texts in one forward pass; more would need more memory without being faster on a CPU."""

NUM_SAMPLES = 8


def measure_stage(
    name: str, policy: LanguageModelPolicy, env: LanguageVectorEnv, indices: np.ndarray
) -> Stage:
    """Completes the prompts of some examples, greedily and by sampling, and measures both.

    Args:
        name: Of the stage.
        policy: Writes the completions.
        env: Held-out rows, in autoreset mode DISABLED.
        indices: (E,) example indices.
    """
    greedy = complete(policy, env, indices, greedy=True)
    sampled = complete(policy, env, indices, greedy=False)
    samples = [_sample(transcript) for transcript in greedy[:NUM_SAMPLES]]
    return Stage(name, measure(greedy, sampled, policy), samples)


def complete(
    policy: LanguageModelPolicy, env: LanguageVectorEnv, indices: np.ndarray, *, greedy: bool
) -> list[Transcript]:
    """Returns one transcript per example, of the likeliest tokens or of sampled ones."""
    return run_episodes(env, lambda _, seen: policy.predict(seen, deterministic=greedy)[0], indices)


def measure(
    greedy: Sequence[Transcript], sampled: Sequence[Transcript], policy: LanguageModelPolicy
) -> Values:
    """Computes every score and four more measures, one value per prompt.

    Returns:
        `reward` and the other scores of greedy completions; the scores of sampled ones with the
        prefix `drawn_`; `kl`, log p - log q of each sampled completion, nats per text, an unbiased
        estimate of the divergence from the frozen model; `base_logprob` and `drawn_logprob`, the
        frozen model's mean log-probability of a token in a greedy and in a sampled completion,
        nats.
    """
    values = {name: [t.scores[name] for t in greedy] for name in ("reward", *greedy[0].scores)}
    values |= {f"drawn_{name}": [t.scores[name] for t in sampled] for name in sampled[0].scores}
    values["kl"] = log_ratios(policy, sampled).tolist()
    values["base_logprob"] = [float(t.logprobs.mean()) for t in greedy]
    values["drawn_logprob"] = [float(t.logprobs.mean()) for t in sampled]
    return values


@torch.no_grad()
def log_ratios(policy: LanguageModelPolicy, sampled: Sequence[Transcript]) -> np.ndarray:
    """Computes log p - log q (E,), nats, of completions under the policy p and the frozen model q.

    Averaged over completions sampled from p it estimates the KL divergence of p from q.
    """
    parts = [
        _text_logprobs(policy, sampled[start : start + TEXTS_PER_PASS])
        for start in range(0, len(sampled), TEXTS_PER_PASS)
    ]
    return np.concatenate(parts) - [float(t.logprobs.sum()) for t in sampled]


def _sample(transcript: Transcript) -> dict[str, Any]:
    return {
        "prompt": transcript.prompt,
        "reference": transcript.reference,
        "text": transcript.text,
        "reward": transcript.scores["reward"],
    }


def _text_logprobs(policy: LanguageModelPolicy, texts: Sequence[Transcript]) -> np.ndarray:
    """Computes the policy's log-probability (E,) of each completion given its prompt, nats."""
    sequences = [np.concatenate([t.prompt_tokens, t.tokens]) for t in texts]
    counts = [len(t.tokens) for t in texts]
    padded = np.zeros((len(texts), max(map(len, sequences))), np.int64)
    for row, ids in enumerate(sequences):
        padded[row, : len(ids)] = ids
    starts = [len(t.prompt_tokens) for t in texts]
    position = np.concatenate([s + np.arange(n) for s, n in zip(starts, counts, strict=True)])
    episode = np.repeat(np.arange(len(texts)), counts)
    observations = {
        "tokens": padded,
        "length": np.array([[len(ids)] for ids in sequences]),
        "episode": episode,
        "position": position,
    }
    tokens = torch.as_tensor(padded[episode, position], device=policy.device)
    _, logprobs, _ = policy.evaluate_actions(obs_as_tensor(observations, policy.device), tokens)
    return np.bincount(episode, logprobs.double().cpu().numpy(), len(texts))
