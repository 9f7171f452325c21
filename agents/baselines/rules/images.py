"""Rules that write captions: the most frequent one, that of a similar image, a detector's.

Each is a policy over `actions="vocabulary"`. Knows nothing of rewards.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np

from agents.baselines.families import Family, fixed, grid
from agents.baselines.learned_examples import LearnedExamples, by_learned_policy
from agents.baselines.rules.scene_detector import describe
from agents.baselines.rules.texts import VOCABULARY, writes
from agents.evaluation.baselines import Policy
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.tasks.base import Task, shown_image
from lm_envs.tasks.captioning.task import Captioning

NEIGHBORS = (1, 3, 9, 27)


def families(task: Task) -> list[Family]:
    """Returns the baselines of a task with images."""
    found = [
        Family("most frequent caption", fixed, by_learned_policy(_most_frequent, VOCABULARY)),
        Family("similar images", grid(*NEIGHBORS), by_learned_policy(_similar, VOCABULARY)),
    ]
    if isinstance(task, Captioning) and task.is_rendered:
        run = by_learned_policy(
            lambda examples, setting, seed: _writes(describe, examples), VOCABULARY
        )
        found.append(Family("color and shape detector", fixed, run))
    return found


def nearest_caption(
    images: np.ndarray, captions: list[str], neighbors: int
) -> Callable[[np.ndarray], str]:
    """Returns the function from an image to the most frequent caption of those most like it.

    Args:
        images: (S, H, W, 3) uint8 images to compare with.
        captions: The caption of each.
        neighbors: Images of the smallest squared distance over all pixels; of equally frequent
            captions, that of the nearest one.
    """
    flat = images.reshape(len(images), -1).astype(np.float32)
    norms = (flat**2).sum(1)

    def caption_for(image: np.ndarray) -> str:
        distances = norms - 2.0 * flat @ image.reshape(-1).astype(np.float32)
        nearest = distances.argsort(kind="stable")[:neighbors]
        return Counter(captions[place] for place in nearest).most_common(1)[0][0]

    return caption_for


def _most_frequent(examples: LearnedExamples, setting: object, seed: int) -> Policy:
    counts = Counter(example.targets[0] for example in examples.examples)
    text = counts.most_common(1)[0][0]
    return _writes(lambda image: text, examples)


def _similar(examples: LearnedExamples, neighbors: float, seed: int) -> Policy:
    found = examples.examples
    images = np.stack([shown_image(example) for example in found])
    captions = [example.targets[0] for example in found]
    return _writes(nearest_caption(images, captions, int(neighbors)), examples)


def _writes(caption_for: Callable[[np.ndarray], str], examples: LearnedExamples) -> Policy:
    """Returns the policy that writes the caption of each row's image."""
    shape = shown_image(examples.examples[0]).shape
    return writes(
        lambda pixels: caption_for(np.frombuffer(pixels, np.uint8).reshape(shape)), _pixels
    )


def _pixels(episodes: EpisodeBuffer, row: int) -> bytes:
    return shown_image(episodes.examples[row]).tobytes()
