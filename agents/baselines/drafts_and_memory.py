"""A search among drafts of the model and the text of a translation memory.

Owns how far the memory is trusted: the more similar its example is to the prompt, the more. Learns
nothing and reads no reward.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from agents.baselines.families import Environments, Family, Setting, grid
from agents.baselines.rules.memory import memory_proposals
from agents.baselines.rules.texts import VOCABULARY, writes
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import run_episodes
from agents.evaluation.search import grouped, likeness
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.completion import CompletionTask
from lm_envs.transcript import Transcript

NAME = "most typical of 16 drafts and a memory"
NUM_DRAFTS = 16
DRAFTS = (0.7, 0.4, 1.0)
"""Temperature, share of the pointer and delay of ends, as in minimum Bayes risk of 16."""

LEAST = (0.0, 0.6, 0.7, 0.8, 0.9)
"""Similarities to the prompt from which on the memory counts."""

WEIGHTS = (2.0, 4.0, 8.0, 16.0, 1000.0)
"""Drafts that the memory's text counts for; the largest takes it in any case."""

Drafting = Callable[[Sequence[float], int], Policy]
"""Returns the policy that draws drafts, from `DRAFTS` and a seed."""


def shows_known_answers(env: EpisodicVectorEnv) -> bool:
    """Returns whether prompts show solved examples that a memory can know."""
    if not (isinstance(env, LanguageVectorEnv) and isinstance(env.task, CompletionTask)):
        return False
    return bool(env.task.known_answers)


def drafts_and_memory(drafting: Drafting) -> Family:
    """Returns the family of the search, whose settings are (least similarity, weight)."""
    return Family(NAME, grid(*map(list, product(LEAST, WEIGHTS))), _Search(drafting), is_drawn=True)


@dataclass(frozen=True, slots=True)
class _Found:
    """The texts for one example.

    Attributes:
        texts: The drafts, then the memory's text.
        likeness: (n, n) as `likeness` returns it.
        similarity: Of the memory's example to the prompt, from 0 to 1.
    """

    texts: list[Transcript]
    likeness: np.ndarray
    similarity: float


class _Search:
    """A run that keeps the drafts of examples and the memory's texts for further settings.

    Args:
        drafting: Makes the policy of the drafts.
    """

    def __init__(self, drafting: Drafting) -> None:
        self._drafting = drafting
        self._known: dict[tuple[str, bytes, int], list[_Found]] = {}

    def __call__(
        self,
        environments: Environments,
        split: str,
        indices: np.ndarray,
        setting: Setting,
        seed: int,
    ) -> list[Transcript]:
        least, weight = setting
        key = split, indices.tobytes(), seed
        if key not in self._known:
            self._known[key] = self._find(environments, split, indices, seed)
        chosen = []
        for found in self._known[key]:
            weights = np.ones(NUM_DRAFTS + 1)
            weights[-1] = weight if found.similarity >= least else 0.0
            chosen.append(found.texts[int((found.likeness @ weights).argmax())])
        return chosen

    def _find(
        self, environments: Environments, split: str, indices: np.ndarray, seed: int
    ) -> list[_Found]:
        env = environments.get(split)
        assert isinstance(env, LanguageVectorEnv)
        assert isinstance(env.task, CompletionTask)
        proposals = memory_proposals(env.task.known_answers, 1)
        drawn = run_episodes(env, self._drafting(DRAFTS, seed), np.repeat(indices, NUM_DRAFTS))
        remembered = run_episodes(
            environments.get(split, VOCABULARY),
            writes(lambda prompt: proposals(prompt)[0].text),
            indices,
        )
        prompts = [env.task.item(env.task.example(int(index))).prompt for index in indices]
        found = []
        for drafts, text, prompt in zip(
            grouped(drawn, NUM_DRAFTS), remembered, prompts, strict=True
        ):
            texts = [*drafts, text]
            similarity = proposals(prompt)[0].similarity
            found.append(_Found(texts, likeness(texts), similarity))
        return found
