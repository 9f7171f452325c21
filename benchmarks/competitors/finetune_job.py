"""What those who learn from their own texts are given, and what they tell: the terms of `finetune`.

Owns prompts, lengths and what is counted. Knows nothing of how anybody learns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lm_envs.sb3 import LanguageVecEnv, make_language_vec_env

PROMPT, NEW = 32, 32
FEW_WORDS = 2
"""Words of a text to learn from where each has a forward pass: of all, a round takes minutes."""

MINIBATCH = 16
"""Words to learn from at once where each has a forward pass."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a contestant is to do: write N texts after these prompts and learn, so many times.

    Attributes:
        folder: Of the checkpoint.
        prompts: (N, P) int64 ids.
        dtype: "float32" or "bfloat16".
        repeats: Rounds that are measured, after one that is not.
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
class Outcome:
    """Seconds of each repeat's writing and learning, words, peak bytes.

    Attributes:
        writing: Of each repeat; empty where the two cannot be told apart.
        learning: Of each repeat, or of writing and learning together.
        written: Words that a repeat writes.
        words: Words that a repeat learns from.
        peak_bytes: Of the process, Python and libraries included.
    """

    writing: list[float]
    learning: list[float]
    written: int
    words: int
    peak_bytes: int = field(default=0)

    @property
    def rounds(self) -> list[float]:
        """Seconds of each repeat had it learned from all that it wrote, at the same time a word."""
        share = self.written / self.words
        writing = self.writing or [0.0] * len(self.learning)
        return [write + share * learn for write, learn in zip(writing, self.learning, strict=True)]


def environment(folder: Path, num_texts: int, **options: Any) -> LanguageVecEnv:  # noqa: ANN401
    """Where our policy writes; `options` are further ones of `lm_envs/NextWord-v0`."""
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


def prompts_of(folder: Path, num_texts: int) -> np.ndarray:
    """Prompts (N, P) that our environment begins with, ids.

    It reads them with a model, which this process keeps: contestants are told and do not ask.
    """
    observations = environment(folder, num_texts).reset()
    assert isinstance(observations, dict)
    assert (observations["length"] == PROMPT).all(), "a passage is shorter than two prompts"
    return observations["tokens"][:, :PROMPT]


def share_of_vowels(completions: Sequence[str], **_: Any) -> list[float]:  # noqa: ANN401
    """A reward that costs nothing and varies, in [0, 1]."""
    return [sum(letter in "aeiou" for letter in text) / max(1, len(text)) for text in completions]
