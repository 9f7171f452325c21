"""Texts that the frozen model draws for each prompt, which several baselines choose from.

Owns how many are drawn, and keeps what was drawn. Knows no choice and no reward.
"""

from collections.abc import Sequence

import numpy as np

from agents.baselines.families import Environments, Setting
from agents.baselines.rules.tokens import drafting
from agents.evaluation.rollouts import run_episodes
from agents.evaluation.search import grouped
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript

NUM_SAMPLES = 16
"""Texts that are drawn for an example, here and in other searches."""


class Drafts:
    """Draws `NUM_SAMPLES` texts for each example, once for each setting and seed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes, tuple[float, ...], int], list[Transcript]] = {}

    def draw(
        self,
        environments: Environments,
        split: str,
        indices: np.ndarray,
        setting: Setting,
        seed: int,
    ) -> list[Sequence[Transcript]]:
        """Returns the texts of each example.

        Args:
            environments: Makes the rows, which write text.
            split: Split of the examples.
            indices: (E,) examples.
            setting: See `drafting`.
            seed: Of the draws.
        """
        key = split, indices.tobytes(), tuple(setting), seed
        if key not in self._known:
            env = environments.get(split)
            assert isinstance(env, LanguageVectorEnv)
            repeated = np.repeat(indices, NUM_SAMPLES)
            self._known[key] = run_episodes(env, drafting(setting, seed), repeated)
        return grouped(self._known[key], NUM_SAMPLES)
