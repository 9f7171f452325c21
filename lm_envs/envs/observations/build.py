"""What the agent sees: an observation space, and the array that shows the model's state.

Knows nothing of tasks or rewards.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.choices import ChoiceWriter
from lm_envs.envs.actions.read_write import NUM_CANDIDATES, SimultaneousWriter
from lm_envs.envs.actions.token_writer import TokenWriter
from lm_envs.envs.actions.tokens import EmbeddingActions, VocabularyActions, read_spec
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.features import (
    BudgetLeft,
    CandidatePoints,
    Candidates,
    ChoiceLogprobs,
    EnabledChoices,
    Feature,
    Hidden,
    LastTokens,
    Pointed,
    SourceLeft,
    TextPool,
    TurnsLeft,
)
from lm_envs.envs.observations.reducers import Reducer
from lm_envs.envs.observations.wrappers import fitting_reducer
from lm_envs.model.base import LanguageModel
from lm_envs.model.embeddings import TextEmbeddings
from lm_envs.model.engine import Outputs
from lm_envs.model.loading import fingerprint
from lm_envs.tasks.base import Task
from lm_envs.validation import check_count


class VectorObservation:
    """One float32 vector a row: features side by side.

    Args:
        features: From left to right.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        low, high = (
            np.concatenate(sides) for sides in zip(*(f.bounds for f in features), strict=True)
        )
        self.space = gym.spaces.Box(low.astype(np.float32), high.astype(np.float32))

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Observations (N, size) float32."""
        columns = [feature.encode(outputs, episodes) for feature in self._features]
        return np.concatenate(columns, axis=1, dtype=np.float32, casting="same_kind")


class TokensObservation:
    """The ids of the text as the model reads it: for policies that are language models.

    That is the prompt and what was written; where a task answers, all that it makes of the turns.
    When an episode is over its last line stands last.

    `tokens` (C,) int64, 0 past the end; `length` (1,) int64.

    Args:
        vocab_size: V.
        capacity: C, most tokens in a text.
    """

    def __init__(self, vocab_size: int, capacity: int) -> None:
        tokens = gym.spaces.Box(0, vocab_size - 1, (capacity,), np.int64)
        length = gym.spaces.Box(0, capacity, (1,), np.int64)
        self.space = gym.spaces.Dict({"tokens": tokens, "length": length})

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> dict[str, np.ndarray]:
        """`tokens` (N, C) and `length` (N, 1)."""
        lengths = episodes.context_lengths[:, None].copy()
        is_text = np.arange(episodes.contexts.shape[1]) < lengths
        return {"tokens": np.where(is_text, episodes.contexts, 0), "length": lengths}


class ReducedVector:
    """A vector as a reducer makes it: fewer numbers, or one of some states.

    Args:
        observation: The vector.
        reducer: Fitted on such vectors.
    """

    def __init__(self, observation: VectorObservation, reducer: Reducer) -> None:
        self._observation, self._reducer = observation, reducer
        self.space = reducer.space

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Observations (N, ...)."""
        return self._reducer.transform(self._observation.encode(outputs, episodes))


Observation = VectorObservation | TokensObservation | ReducedVector

KINDS: dict[str, tuple[str, ...]] = {
    "hidden": ("reducer",),
    "embeddings": ("last", "reducer"),
    "candidates": ("reducer",),
    "tokens": (),
}
"""Every kind of observation, and its options."""

DEFAULT_LAST = 4


def make_observation(
    spec: str | Mapping[str, Any],
    model: LanguageModel,
    writer: TokenWriter | ChoiceWriter | SimultaneousWriter,
    task: Task,
    *,
    name: str,
    shows_scores: bool = True,
) -> Observation:
    """The observation of a spec: a kind, or {"kind": kind, option: value, ...}.

    Args:
        spec: What the agent is shown of the text.
        model: Whose states and embeddings are meant.
        writer: What the agent chooses among, which it is shown too.
        task: How long a text can become.
        name: What the model was asked for by.
        shows_scores: Show the model's score of each line, where lines are chosen.

    Raises:
        ValueError: If the kind or an option is unknown, the actions have no candidates to show, or
            a reducer was fitted on something else.
    """
    kind, options = read_spec("observation", spec, KINDS)
    if kind == "tokens":
        return TokensObservation(model.config.vocab_size, task.context_tokens)
    if kind == "candidates" and _has_no_candidates(writer):
        raise ValueError(
            "Got observation 'candidates' for 'vocabulary' actions, which have none; allowed: "
            "'hidden', 'embeddings', 'tokens'."
        )
    features: list[Feature] = []
    if kind == "hidden":
        features.append(Hidden(model))
    elif kind == "embeddings":
        last = options.get("last", DEFAULT_LAST)
        check_count("last", last)
        vectors = TextEmbeddings(model)
        features += [TextPool(vectors, task.context_tokens), LastTokens(vectors, last)]
    observation = VectorObservation([*features, *_of_writer(writer, task, shows_scores)])
    if "reducer" not in options:
        return observation
    reducer = fitting_reducer(options["reducer"], fingerprint(name), observation.space)
    return ReducedVector(observation, reducer)


def _has_no_candidates(writer: TokenWriter | ChoiceWriter | SimultaneousWriter) -> bool:
    return isinstance(writer, TokenWriter) and isinstance(writer.actions, VocabularyActions)


def _of_writer(
    writer: TokenWriter | ChoiceWriter | SimultaneousWriter, task: Task, shows_scores: bool
) -> list[Feature]:
    if isinstance(writer, ChoiceWriter):
        scores = [ChoiceLogprobs(writer)] if shows_scores else []
        return [*scores, EnabledChoices(writer), TurnsLeft(task.max_turns)]
    if isinstance(writer, SimultaneousWriter):
        return [Candidates(NUM_CANDIDATES), SourceLeft(writer), BudgetLeft()]
    return [*_of_words(writer), BudgetLeft()]


def _of_words(writer: TokenWriter) -> list[Feature]:
    actions, count = writer.actions, writer.actions.num_candidates
    if isinstance(actions, EmbeddingActions):
        return [Candidates(count), CandidatePoints(actions)]
    if isinstance(actions, VocabularyActions):
        return []
    return [Candidates(count), *([Pointed(writer.copied, count)] if writer.copied else [])]
