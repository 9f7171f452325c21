"""Drafts of the model and the text of a translation memory: which is the most typical.

Owns how far the memory is trusted: the more similar its example is to the prompt, the more. Learns
nothing and reads no reward.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from agents.baselines.drafts.drawing import NUM_SAMPLES, Drafts
from agents.baselines.families import Environments, Family, Setting, grid
from agents.baselines.rules.memory import memory_proposals
from agents.baselines.rules.texts import VOCABULARY, writes
from agents.evaluation.rollouts import run_episodes
from agents.evaluation.search import likeness
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.completion import CompletionTask
from lm_envs.transcript import Transcript

NAME = f"most typical of {NUM_SAMPLES} drafts and a memory"

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
class Offer:
    """The texts for one example.

    Attributes:
        prompt: Of the example, without solved ones.
        texts: n of them: the drafts, then the memory's text.
        likeness: (n, n) as `likeness` returns it.
        similarity: Of the memory's example to the prompt, from 0 to 1.
    """

    prompt: str
    texts: list[Transcript]
    likeness: np.ndarray
    similarity: float

    def typical(self, least: float, weight: float) -> Transcript:
        """Returns the text closest to the others; from `least` on the memory's has a weight."""
        weights = np.ones(len(self.texts))
        weights[-1] = weight if self.similarity >= least else 0.0
        return self.texts[int((self.likeness @ weights).argmax())]


class Offers:
    """Finds the drafts and the memory's text, once for the same examples and the same seed.

    Args:
        drafts: Draws the texts of the model.
    """

    def __init__(self, drafts: Drafts) -> None:
        self._drafts = drafts
        self._known: dict[tuple[str, bytes, int], list[Offer]] = {}

    def find(
        self, environments: Environments, split: str, indices: np.ndarray, seed: int
    ) -> list[Offer]:
        """Returns what can be chosen for each of the examples (E,) of a split.

        Args:
            environments: Makes the rows, whose task has known answers.
            split: Split of the examples.
            indices: (E,) examples.
            seed: Of the drafts.
        """
        key = split, indices.tobytes(), seed
        if key not in self._known:
            self._known[key] = self._find(environments, split, indices, seed)
        return self._known[key]

    def _find(
        self, environments: Environments, split: str, indices: np.ndarray, seed: int
    ) -> list[Offer]:
        env = environments.get(split)
        assert isinstance(env, LanguageVectorEnv)
        assert isinstance(env.task, CompletionTask)
        proposals = memory_proposals(env.task.known_answers, 1)
        drawn = self._drafts.draw(environments, split, indices, DRAFTS, seed)
        remembered = run_episodes(
            environments.get(split, VOCABULARY),
            writes(lambda prompt: proposals(prompt)[0].text),
            indices,
        )
        found = []
        for index, drafts, text in zip(indices.tolist(), drawn, remembered, strict=True):
            prompt = env.task.item(env.task.example(index)).prompt
            texts = [*drafts, text]
            similarity = proposals(prompt)[0].similarity
            found.append(Offer(prompt, texts, likeness(texts), similarity))
        return found


def drafts_and_memory(offers: Offers) -> Family:
    """Returns the family of the search, whose settings are (least similarity, weight)."""

    def run(
        environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
    ) -> list[Transcript]:
        found = offers.find(environments, split, indices, seed)
        return [each.typical(*setting) for each in found]

    return Family(NAME, grid(*map(list, product(LEAST, WEIGHTS))), run, is_drawn=True)
