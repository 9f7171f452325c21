"""Job and result types of the `finetune` benchmark, and the prompts and reward that all share.

Owns prompts, lengths and what is counted. Knows nothing of how a competitor learns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lm_envs.sb3 import LanguageVecEnv, make_language_vec_env

PROMPT, NEW = 32, 32
"""Tokens of a prompt, and tokens generated after it."""

SAMPLED_TOKENS = 2
"""Tokens of a text to learn from where each needs a forward pass: all would take minutes a round.
"""

MINIBATCH = 16
"""Tokens in a minibatch where each needs a forward pass."""


@dataclass(frozen=True, slots=True)
class FinetuneJob:
    """Generate N texts after these prompts and learn from them, `repeats` times.

    Attributes:
        folder: Checkpoint of the language model.
        prompts: (N, P) int64 token ids.
        dtype: "float32" or "bfloat16".
        repeats: Timed rounds; one untimed round comes first.
    """

    folder: Path
    prompts: np.ndarray
    dtype: str
    repeats: int

    @property
    def num_texts(self) -> int:
        """N."""
        return len(self.prompts)


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """Durations, token counts and memory of one competitor.

    Attributes:
        rollout_s: Seconds of generation in each round; empty if they cannot be separated.
        update_s: Seconds of learning in each round, or of generation and learning together.
        num_generated: Tokens generated in a round.
        num_learned: Tokens learned from in a round.
        peak_bytes: Peak memory of the process, Python and libraries included.
    """

    rollout_s: list[float]
    update_s: list[float]
    num_generated: int
    num_learned: int
    peak_bytes: int = field(default=0)

    @property
    def round_s(self) -> list[float]:
        """Seconds of each round, extrapolated to learning from every generated token.

        Assumes that learning from the other tokens costs the same per token.
        """
        factor = self.num_generated / self.num_learned
        rollouts = self.rollout_s or [0.0] * len(self.update_s)
        pairs = zip(rollouts, self.update_s, strict=True)
        return [rollout + factor * update for rollout, update in pairs]


def make_environment(folder: Path, num_texts: int, **options: Any) -> LanguageVecEnv:  # noqa: ANN401
    """The environment in which our policy generates.

    Args:
        folder: Checkpoint of the language model.
        num_texts: Number of rows, N.
        options: Further arguments of `lm_envs/NextWord-v0`.
    """
    return make_language_vec_env(
        "lm_envs/NextWord-v0",
        num_texts,
        0,
        model=str(folder),
        actions="vocabulary",
        observation="tokens",
        prompt_tokens=PROMPT,
        max_new_tokens=NEW,
        **options,
    )


def environment_prompts(folder: Path, num_texts: int) -> np.ndarray:
    """Prompts (N, P) int64 that our environment starts with.

    Loads a model, which this process keeps. Competitors receive the prompts as an argument, so that
    this model does not count as their memory.
    """
    observations = make_environment(folder, num_texts).reset()
    assert isinstance(observations, dict)
    assert (observations["length"] == PROMPT).all(), "a passage is shorter than two prompts"
    return observations["tokens"][:, :PROMPT]


def share_of_vowels(completions: Sequence[str], **_: Any) -> list[float]:  # noqa: ANN401
    """A reward in [0, 1] that costs almost nothing and varies; has the signature that TRL expects.

    Args:
        completions: N texts.

    Returns:
        Vowels over characters of each text; 0 for an empty text.
    """
    return [sum(letter in "aeiou" for letter in text) / max(1, len(text)) for text in completions]
