"""Records one episode of an id as an animated picture.

Owns the pace and the size of the file. The frames are those of `render_mode="rgb_array"`.
"""

from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image

import lm_envs
from lm_envs_docs.facts import SEED, next_action

FRAME_MS, LAST_FRAME_MS = 450, 3000
GAP = 24
"""Rows of pixels that stay between the text and the caption."""

COLORS = 32
"""Of the palette; text on one background needs few, and the file stays small."""


def frames(env_id: str) -> list[np.ndarray]:
    """Returns the frames (H, W, 3) uint8 of a held-out episode, one a step and one at the start."""
    env = gym.make(env_id, render_mode="rgb_array", split="validation")
    env.reset(seed=SEED)
    shown, is_over = [env.render()], False
    while not is_over:
        *_, terminated, truncated, _ = env.step(next_action(env))
        shown.append(env.render())
        is_over = terminated or truncated
    env.close()
    return shown


def without_gap(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the frames without most of the rows that are empty in all of them.

    The longest such band lies between the text and the caption.
    """
    is_empty = np.all([(each == each[:, :1]).all((1, 2)) for each in pictures], axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_empty, [0]]).astype(int)))
    start, stop = max(edges.reshape(-1, 2), key=lambda band: band[1] - band[0])
    kept = np.r_[:start, start : min(stop, start + GAP), stop : len(is_empty)]
    return [each[kept] for each in pictures]


def write_animation(env_id: str, path: Path) -> None:
    """Writes an endless GIF that opens with the end of the episode, which stays longer.

    So the file shows a whole text where a reader's settings stop animations. A file that is newer
    than the library's modules is kept, since recording takes seconds.
    """
    sources = Path(lm_envs.__file__).parent.rglob("*.py")
    newest = max(source.stat().st_mtime for source in sources)
    if path.exists() and path.stat().st_mtime > newest:
        return
    shown = without_gap(frames(env_id))
    *rest, last = [Image.fromarray(frame).quantize(COLORS) for frame in shown]
    pictures = [last, *rest]
    path.parent.mkdir(parents=True, exist_ok=True)
    durations = [LAST_FRAME_MS] + [FRAME_MS] * len(rest)
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True
    )
