"""Observations: a space, and the array that shows the text of N rows.

Knows nothing of tasks, rewards or action kinds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.features import Bounds, Feature
from lm_envs.envs.observations.reducers import Reducer
from lm_envs.model.engine import Outputs
from lm_envs.tasks.base import shown_image


class Observation(Protocol):
    """What an agent observes of each row: an attribute `space`, and `encode`."""

    @property
    def space(self) -> gym.Space[Any]:
        """Observation space of one row."""
        ...

    def encode(
        self, outputs: Outputs, episodes: EpisodeBuffer
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Returns the observations of N rows, in new arrays."""
        ...


class ColumnBox(gym.spaces.Box):
    """A `Box` that knows the names of its columns.

    Attributes:
        columns: Slice of each name.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, columns: Mapping[str, slice]) -> None:
        super().__init__(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
        self.columns = dict(columns)


def column_box(columns: Mapping[str, Bounds]) -> ColumnBox:
    """Returns the space of columns side by side, from their bounds by name."""
    lows, highs = zip(*columns.values(), strict=True)
    ends = np.cumsum([len(low) for low in lows]).tolist()
    slices = map(slice, [0, *ends[:-1]], ends)
    named = dict(zip(columns, slices, strict=True))
    return ColumnBox(np.concatenate(lows), np.concatenate(highs), named)


class VectorObservation:
    """One float32 vector a row: features side by side.

    Args:
        features: From left to right; the names of their columns are distinct.

    Attributes:
        columns: Slice of each name of a feature's columns.

    Raises:
        ValueError: If two features use the same name.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        columns: dict[str, Bounds] = {}
        for name, bounds in (item for each in features for item in each.columns.items()):
            if name in columns:
                raise ValueError(f"Got two features with columns named {name!r}; rename one.")
            columns[name] = bounds
        self.space = column_box(columns)
        self.columns: dict[str, slice] = self.space.columns

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns observations (N, size) float32."""
        columns = []
        for feature in self._features:
            columns.append(feature.encode(outputs, episodes))
        return np.concatenate(columns, axis=1, dtype=np.float32, casting="same_kind")


class TokensObservation:
    """The token ids of the text as the model reads it: for policies that are language models.

    The text is the prompt and the completion; in tasks with several turns, the whole context that
    the task builds from them. When an episode is over, its last line is included.

    `tokens` (C,) int64, 0 past the end; `length` (1,) int64.

    Ids are names, not quantities. Stable-Baselines3's `VecNormalize` does not distinguish the two
    and subtracts a mean from them; `VecNormalize(venv, norm_obs=False)` leaves them as they are and
    normalizes the rewards only.

    Args:
        vocab_size: V.
        capacity: C, most tokens in a text.
    """

    def __init__(self, vocab_size: int, capacity: int) -> None:
        tokens = gym.spaces.Box(0, vocab_size - 1, (capacity,), np.int64)
        length = gym.spaces.Box(0, capacity, (1,), np.int64)
        self.space = gym.spaces.Dict({"tokens": tokens, "length": length})

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> dict[str, np.ndarray]:
        """Returns `tokens` (N, C) and `length` (N, 1)."""
        lengths = episodes.context_lengths[:, None].copy()
        is_text = np.arange(episodes.contexts.shape[1]) < lengths
        return {"tokens": np.where(is_text, episodes.contexts, 0), "length": lengths}


class ImageAndText:
    """The image of each row's example beside an observation of its text.

    `image` (H, W, 3) uint8, and `text`, or the entries of an observation that is a dict already.

    Args:
        text: The observation of the text.
        image_shape: (H, W, 3).

    Attributes:
        columns: Slice of each name of the text's columns; empty if it is no vector of columns.
    """

    def __init__(self, text: Observation, image_shape: tuple[int, ...]) -> None:
        self._text = text
        self.columns: Mapping[str, slice] = getattr(text, "columns", {})
        image = gym.spaces.Box(0, 255, image_shape, np.uint8)
        inner = text.space
        entries = inner.spaces if isinstance(inner, gym.spaces.Dict) else {"text": inner}
        self.space = gym.spaces.Dict({"image": image, **entries})

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> dict[str, np.ndarray]:
        """Returns `image` (N, H, W, 3) uint8 and the entries of the text, (N, ...) each."""
        text = self._text.encode(outputs, episodes)
        images = np.stack([shown_image(example) for example in episodes.examples])
        return {"image": images, **(text if isinstance(text, dict) else {"text": text})}


class ReducedVector:
    """A vector observation after a reducer: fewer numbers, or the number of a discrete state.

    Args:
        observation: The vector.
        reducer: Fitted on such vectors.
    """

    def __init__(self, observation: VectorObservation, reducer: Reducer) -> None:
        self._observation, self._reducer = observation, reducer
        self.space = reducer.space

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns observations (N, ...)."""
        return self._reducer.transform(self._observation.encode(outputs, episodes))
