"""A search among drafts of the model and the text of a translation memory.

Owns how far the memory is trusted: the more similar its example is to the prompt, the more. Learns
nothing and reads no reward.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from agents.baselines.families import Environments, Family, Setting, grid
from agents.baselines.rules.memory import memory_proposals
from agents.baselines.rules.texts import VOCABULARY, writes
from agents.baselines.rules.tokens import drafting
from agents.evaluation.rollouts import run_episodes
from agents.evaluation.search import grouped, likeness
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.completion import CompletionTask
from lm_envs.transcript import Transcript

NAME = "most typical of 16 drafts and a memory"
NUM_SAMPLES = 16
"""Texts that are drawn for an example, here and in other searches."""

DRAFTS = (0.7, 0.4, 1.0)
"""Temperature, share of the pointer and delay of ends, as in minimum Bayes risk of 16."""

LEAST = (0.0, 0.6, 0.7, 0.8, 0.9)
"""Similarities to the prompt from which on the memory counts."""

WEIGHTS = (2.0, 4.0, 8.0, 16.0, 1000.0)
"""Drafts that the memory's text counts for; the largest takes it in any case."""


def shows_known_answers(env: EpisodicVectorEnv) -> bool:
    """Returns whether prompts show solved examples that a memory can know."""
    if not (isinstance(env, LanguageVectorEnv) and isinstance(env.task, CompletionTask)):
        return False
    return bool(env.task.known_answers)


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

    def chosen(self, least: float, weight: float) -> Transcript:
        """Returns the text closest to the others; from `least` on the memory's has a weight."""
        weights = np.ones(len(self.texts))
        weights[-1] = weight if self.similarity >= least else 0.0
        return self.texts[int((self.likeness @ weights).argmax())]


def drafts_and_memory() -> Family:
    """Returns the family of the search, whose settings are (least similarity, weight)."""
    known: dict[tuple[str, bytes, int], list[_Found]] = {}  # what all settings choose from

    def run(
        environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
    ) -> list[Transcript]:
        key = split, indices.tobytes(), seed
        if key not in known:
            known[key] = _found_texts(environments, split, indices, seed)
        return [each.chosen(*setting) for each in known[key]]

    return Family(NAME, grid(*map(list, product(LEAST, WEIGHTS))), run, is_drawn=True)


def _found_texts(
    environments: Environments, split: str, indices: np.ndarray, seed: int
) -> list[_Found]:
    env = environments.get(split)
    assert isinstance(env, LanguageVectorEnv)
    assert isinstance(env.task, CompletionTask)
    proposals = memory_proposals(env.task.known_answers, 1)
    drawn = run_episodes(env, drafting(DRAFTS, seed), np.repeat(indices, NUM_SAMPLES))
    remembered = run_episodes(
        environments.get(split, VOCABULARY),
        writes(lambda prompt: proposals(prompt)[0].text),
        indices,
    )
    found = []
    for index, drafts, text in zip(
        indices.tolist(), grouped(drawn, NUM_SAMPLES), remembered, strict=True
    ):
        prompt = env.task.item(env.task.example(index)).prompt
        texts = [*drafts, text]
        found.append(_Found(texts, likeness(texts), proposals(prompt)[0].similarity))
    return found
