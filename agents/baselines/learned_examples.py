"""Examples that a learned baseline may learn from: the agent's own, but not those it is judged by.

Owns which examples are left out. Knows no baseline.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from agents.baselines.families import Environments, PolicyRun, Setting
from agents.baselines.rules.prompts import own_prompt
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import evenly_spaced_indices
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.base import Example

P = ParamSpec("P")
T = TypeVar("T")

MOST_EXAMPLES = 2_000
"""Examples that are learned from, so that large data sets do not take longer than the agent."""


@dataclass(frozen=True, slots=True)
class LearnedExamples:
    """Examples of the split that the agent learns from.

    Attributes:
        env: Rows of this split.
        indices: (E,) examples.
    """

    env: EpisodicVectorEnv
    indices: np.ndarray

    @property
    def language_env(self) -> LanguageVectorEnv:
        """The rows, which write text."""
        assert isinstance(self.env, LanguageVectorEnv)
        return self.env

    @property
    def examples(self) -> list[Example]:
        """The examples of a task, in the order of `indices`."""
        return [self.language_env.episodes.example(index) for index in self.indices.tolist()]

    def pairs(self, count: int | None = None) -> list[tuple[str, tuple[str, ...]]]:
        """Returns own prompts and their targets; `count` evenly spaced ones, or all."""
        places = evenly_spaced_indices(len(self.indices), count or len(self.indices))
        episodes = self.language_env.episodes
        chosen = [episodes.example(int(self.indices[place])) for place in places]
        return [(own_prompt(episodes, each), each.targets) for each in chosen]


def learned_examples(
    environments: Environments,
    split: str,
    judged: np.ndarray,
    actions: str | None = None,
    learned: str | None = None,
    most: int = MOST_EXAMPLES,
) -> LearnedExamples:
    """Returns what the agent learns from, less the prompts of the examples that are judged.

    Args:
        environments: Makes the rows.
        split: Split of the judged examples.
        judged: (E,) indices of the judged examples.
        actions: Of the rows; see `Environments.get`.
        learned: Split that is learned from; None for the agent's.
        most: Largest number of examples.
    """
    learned = learned or environments.config.env.split
    env, other = (environments.get(name, actions) for name in (learned, split))
    left_out = {part for index in judged.tolist() for part in _shown(other, index)}
    indices = evenly_spaced_indices(env.num_examples, most).tolist()
    kept = [index for index in indices if left_out.isdisjoint(_shown(env, index))]
    return LearnedExamples(env, np.array(kept, np.int64))


def _shown(env: EpisodicVectorEnv, index: int) -> set[tuple[bytes, bytes]]:
    """Returns what an example shows: its whole prompt and image, or each of its passages.

    The prompt is that of its task: an example whose text is read in parts begins with few words,
    which others share.
    """
    if isinstance(env, TuningVectorEnv):
        return {(tokens.tobytes(), b"") for tokens in env.passages(index).tokens}
    assert isinstance(env, LanguageVectorEnv)
    example = env.episodes.example(index)
    image = b"" if example.image is None else example.image.tobytes()
    return {(own_prompt(env.episodes, example).encode(), image)}


def by_learned_policy(
    learn: Callable[[LearnedExamples, Setting, int], Policy],
    actions: str | None = None,
    most: int = MOST_EXAMPLES,
) -> PolicyRun:
    """Returns a run of the policy that `learn` returns for examples, a setting and a seed.

    Args:
        learn: Returns a policy for the examples, the setting and the seed.
        actions: The action kind that the policy acts by; None for the configuration's own.
        most: Largest number of examples.
    """

    def make(
        environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
    ) -> Policy:
        examples = learned_examples(environments, split, indices, actions, most=most)
        return learn(examples, setting, seed)

    return PolicyRun(make, actions)


def once_for_examples(
    compute: Callable[Concatenate[LearnedExamples, P], T],
) -> Callable[Concatenate[LearnedExamples, P], T]:
    """Returns a function that computes once for the same examples and further arguments.

    All examples must be of one split, since they are compared by their indices.

    Args:
        compute: Gets the examples, and further arguments that can be compared.
    """
    known: dict[tuple[Any, ...], T] = {}

    def find(examples: LearnedExamples, *arguments: P.args, **named: P.kwargs) -> T:
        key = (examples.indices.tobytes(), *arguments, *named.items())
        if key not in known:
            known[key] = compute(examples, *arguments, **named)
        return known[key]

    return find
