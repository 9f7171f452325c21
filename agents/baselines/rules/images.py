"""Rules that write captions: the most frequent one, that of a similar image, those of classifiers.

Each is a policy over `actions="vocabulary"`. Knows nothing of rewards.
"""

from collections import Counter
from collections.abc import Callable
from itertools import product

import numpy as np

from agents.baselines.cloning import CLONED_EXAMPLES
from agents.baselines.families import Family, PolicyRun, Setting, fixed, grid
from agents.baselines.learned_examples import LearnedExamples, by_learned_policy
from agents.baselines.rules.scene_detector import describe
from agents.baselines.rules.texts import VOCABULARY, writes
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import evenly_spaced_indices
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.tasks.base import ImageTask, Task, shown_image
from lm_envs.tasks.captioning.task import MOST_CHOICES, Captioning

NEIGHBORS = (1, 3, 9, 27)

CLASSIFIER = "pixel classifier"
LINEAR, KERNEL = "linear", "rbf"
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)

COUNTED = 64
"""Examples whose captions are counted, to tell whether captions are classes."""

LARGEST_SIDE = 64
"""Pixels; a classifier of larger images would need much memory and time."""

HIGHEST = 255.0


def families(task: Task) -> list[Family]:
    """Returns the baselines of a task with images."""
    found = [
        Family("most frequent caption", fixed, _learned(_most_frequent)),
        Family("similar images", grid(*NEIGHBORS), _learned(_similar)),
    ]
    if isinstance(task, Captioning) and task.is_rendered:
        run = _learned(lambda examples, setting, seed: _writes(describe, examples))
        found.append(Family("color and shape detector", fixed, run))
    return found


def classifier() -> Family:
    """Returns the baseline that needs scikit-learn and few captions."""
    settings = [list(pair) for pair in product((LINEAR, KERNEL), PENALTIES)]
    return Family(CLASSIFIER, grid(*settings), _learned(_classified))


def has_classes(task: ImageTask) -> bool:
    """Returns whether captions are few, and images small, enough for a classifier of pixels."""
    if max(task.image_shape) > LARGEST_SIDE:
        return False
    places = evenly_spaced_indices(task.num_examples, COUNTED).tolist()
    return len({task.example(place).targets[0] for place in places}) <= MOST_CHOICES


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


def classified_caption(
    images: np.ndarray, captions: list[str], kind: str, penalty: float
) -> Callable[[np.ndarray], str]:
    """Returns the function from an image to the caption that a classifier of its pixels takes.

    Args:
        images: (S, H, W, 3) uint8 images to learn from.
        captions: The caption of each; if all are the same, it is taken.
        kind: "linear" for a logistic regression, "rbf" for a support vector machine.
        penalty: C of both, the inverse strength of the penalty.

    Raises:
        ImportError: Without scikit-learn.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    def pixels(found: np.ndarray) -> np.ndarray:
        return found.reshape(len(found), -1)[:, distinct].astype(np.float64) / HIGHEST

    if len(set(captions)) == 1:
        return lambda image: captions[0]
    distinct = _distinct(images)
    model = SVC(C=penalty) if kind == KERNEL else LogisticRegression(C=penalty, max_iter=1000)
    model.fit(pixels(images), captions)
    return lambda image: str(model.predict(pixels(image[None]))[0])


def _distinct(images: np.ndarray) -> np.ndarray:
    """Returns the places of pixels (P,), one of those that are equal in all images."""
    columns = np.unique(images.reshape(len(images), -1), axis=1, return_index=True)[1]
    return np.sort(columns)


def _learned(learn: Callable[[LearnedExamples, Setting, int], Policy]) -> PolicyRun:
    """Returns a run of a rule that learns from as many images as an agent may imitate."""
    return by_learned_policy(learn, VOCABULARY, most=CLONED_EXAMPLES)


def _most_frequent(examples: LearnedExamples, setting: object, seed: int) -> Policy:
    counts = Counter(example.targets[0] for example in examples.examples)
    text = counts.most_common(1)[0][0]
    return _writes(lambda image: text, examples)


def _similar(examples: LearnedExamples, neighbors: float, seed: int) -> Policy:
    return _writes(nearest_caption(*_captioned(examples), int(neighbors)), examples)


def _classified(examples: LearnedExamples, setting: Setting, seed: int) -> Policy:
    return _writes(classified_caption(*_captioned(examples), *setting), examples)


def _captioned(examples: LearnedExamples) -> tuple[np.ndarray, list[str]]:
    """Returns the images (S, H, W, 3), and the first caption of each."""
    found = examples.examples
    return np.stack([shown_image(each) for each in found]), [each.targets[0] for each in found]


def _writes(caption_for: Callable[[np.ndarray], str], examples: LearnedExamples) -> Policy:
    """Returns the policy that writes the caption of each row's image."""
    shape = shown_image(examples.examples[0]).shape
    return writes(
        lambda pixels: caption_for(np.frombuffer(pixels, np.uint8).reshape(shape)), _pixels
    )


def _pixels(episodes: EpisodeBuffer, row: int) -> bytes:
    return shown_image(episodes.examples[row]).tobytes()
