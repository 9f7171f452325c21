"""The order of actions in which each keeps its meaning: the tokens of the prompt by their places.

Owns the places. Knows nothing of tasks, rewards or how candidates are selected.
"""

from collections.abc import Callable, Mapping

import numpy as np

from lm_envs.envs.actions.pointer import NO_TOKEN
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.features import Bounds, Feature
from lm_envs.model.engine import Outputs


def prompt_order(candidates: np.ndarray, episodes: EpisodeBuffer, end_token: int) -> np.ndarray:
    """Returns the rank of the candidate that each action writes, (N, K) int64.

    First are the candidates in the prompt, in the order in which they first occur after its first
    token; then the others, the most likely first; the end token is last. Where all tokens of the
    prompt are candidates, an action writes the same token at each step of all episodes with that
    prompt.

    Args:
        candidates: (N, K) ids, the most likely first.
        episodes: Holds the prompts.
        end_token: Id of the end of text.
    """
    width = int(episodes.prompt_lengths.max())
    is_prompt = np.arange(1, width) < episodes.prompt_lengths[:, None]  # (N, P - 1)
    # Without the first token, as in `Pointer`, which copies tokens that follow another one.
    prompts = np.where(is_prompt, episodes.contexts[:, 1:width], NO_TOKEN)
    is_same = candidates[:, :, None] == prompts[:, None, :]  # (N, K, P - 1)
    ranks = np.arange(candidates.shape[1])
    places = np.where(is_same.any(2), is_same.argmax(2), width + ranks)
    places[candidates == end_token] = width + len(ranks)
    return places.argsort(1, kind="stable")


class InOrder:
    """A feature of K candidates with its columns in the order of the actions.

    Args:
        feature: Its columns are K numbers each, the most likely candidate first.
        ranks: Returns the rank of the candidate that each action writes, (N, K).
    """

    def __init__(self, feature: Feature, ranks: Callable[[], np.ndarray]) -> None:
        self._feature, self._ranks = feature, ranks
        self.columns: Mapping[str, Bounds] = feature.columns

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, size)."""
        values, ranks = self._feature.encode(outputs, episodes), self._ranks()
        by_column = values.reshape(len(values), -1, ranks.shape[1])
        order = np.broadcast_to(ranks[:, None], by_column.shape)
        return np.take_along_axis(by_column, order, 2).reshape(values.shape)
