"""Captioning: write what an image shows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lm_envs.tasks import prompt_templates
from lm_envs.tasks.base import Example
from lm_envs.tasks.captioning.digits import digits
from lm_envs.tasks.captioning.images import CaptionedImage, check_size, checked_image, read_image
from lm_envs.tasks.captioning.scenes import HELD_OUT, KINDS, first_captions, scenes
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import EMBEDDED, Row
from lm_envs.tasks.rewards.reward import Weights
from lm_envs.tasks.rewards.text_normalization import one_line
from lm_envs.tasks.splits import SplitSpec
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, check_count

DEFAULT_REWARDS = {"chrf": 0.5, "exact_match": 0.5}
DIGITS = "digits"
DEFAULT_SIZE = (36, 36)
"""Height and width of embedded images and digits; the least that SB3's `NatureCNN` takes."""

FILES = ("captions.jsonl", "metadata.jsonl")
"""Names of the file with the captions in a folder of images."""

MOST_CHOICES = 16
"""With at most so many different captions, each of them is a line to choose from."""


class Captioning(CompletionTask):
    """Write what an image shows; scored by its likeness to the closest of its captions.

    Prompt: "Text: …", captions of training images, then "Paraphrase:" on the next line. It is the
    same for all images, and shows the model the form and the words of captions.
    Episode end: terminates at the first line end, the end-of-text token or the token budget.
    Scores: `DEFAULT_REWARDS` pays half a point each for chrF and for an exact match, against the
    best of the image's captions.

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded" (rendered scenes, held out by combination), "digits"
            (handwritten, of scikit-learn), a .jsonl, .csv or .tsv file with a file name and one or
            more captions a row, or the folder of such a file, named captions.jsonl or
            metadata.jsonl. Images lie in the folder of that file, or below it.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        kind: "object", "count" or "relation" of the embedded scenes; None for all.
        held_out: What a held-out scene shares with no training scene: "caption", number, color,
            shape and relation together; or "pair", harder, each pair of a color and a shape.
        image_size: Height and width that images are drawn in or resized to, pixels. None draws
            36 x 36, and needs files of one size.
        blank: Show a black image in place of each: what can be said without seeing.
        shots: Most captions in the prompt. Captions of the split "train" are added one by one, each
            time that with the most new words, until none has a new word or the prompt is full.
        columns: Field of the file name and of the caption or captions, if they have other names
            than "image", "caption". Captions of several rows with one image count together.
        prompt_tokens: Largest number of tokens in a prompt.
        max_new_tokens: Token budget of an episode.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.

    Attributes:
        image_shape: (H, W, 3) of all images.
        is_rendered: Whether the images are the embedded scenes.
    """

    column_names = ("image", "caption")
    default_rewards = DEFAULT_REWARDS

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = EMBEDDED,
        split: str = "train",
        kind: str | None = None,
        held_out: str = "caption",
        image_size: Sequence[int] | None = None,
        blank: bool = False,
        shots: int = 16,
        columns: Mapping[str, str] | None = None,
        prompt_tokens: int = 128,
        max_new_tokens: int = 16,
        rewards: Weights | None = None,
    ) -> None:
        check_choice("kind", kind, (None, *KINDS))
        check_choice("held_out", held_out, HELD_OUT)
        check_choice("blank", blank, (True, False))
        check_count("shots", shots, least=0)
        check_count("prompt_tokens", prompt_tokens)
        SplitSpec.parse(split)
        self._size, self._kind, self._blank = check_size(image_size), kind, blank
        self._shape: tuple[int, ...] | None = None  # of the first image
        self._held_out = held_out
        self._folder, self.is_rendered = _folder(dataset), dataset == EMBEDDED
        self._captions = self._training_captions(dataset, columns) if shots else []
        self._prompt = _few_shot_prompt(tokenizer, self._captions, shots, prompt_tokens)
        super().__init__(
            tokenizer,
            dataset=dataset,
            split=split,
            columns=columns,
            prompt_tokens=prompt_tokens,
            max_new_tokens=max_new_tokens,
            rewards=rewards,
        )
        self.image_shape = self.example(0).image.shape  # type: ignore[union-attr]  # all have one

    def load_items(
        self, dataset: str, split: str, columns: Mapping[str, str] | None
    ) -> list[CompletionItem]:
        """Returns the images of a split with their captions."""
        if dataset in (EMBEDDED, DIGITS):
            return [self._item(captioned) for captioned in self._own_images(dataset, split)]
        return super().load_items(dataset, split, columns)

    def read_rows(
        self, dataset: str, split: str | None, columns: Mapping[str, str] | None
    ) -> list[Row]:
        """Returns the rows of the file, or of the file in the folder."""
        path = Path(dataset).expanduser()
        if path.is_dir():
            names = [name for name in FILES if (path / name).is_file()]
            if not names:
                raise ValueError(
                    f"Got dataset={dataset!r}, a folder without {' or '.join(FILES)}; write one "
                    'row an image, such as {"image": "1.png", "caption": ["a red circle"]}.'
                )
            dataset = str(path / names[0])
        return super().read_rows(dataset, split, columns)

    def make_item(self, row: Row) -> CompletionItem:
        """Returns the item of an image in a file.

        Raises:
            ValueError: If it cannot be read, or has another shape than the first one.
        """
        name = row.text("image")
        image = read_image(self._folder, name, self._size, row.location)
        shape = self._shape = self._shape or image.shape
        if image.shape != shape:
            raise ValueError(
                f"Got image {name!r} at {row.location} of shape {image.shape}, after others of "
                f"shape {shape}; allowed: one shape. Give image_size=[height, width] to resize all."
            )
        return self._item(CaptionedImage(image, row.texts["caption"]))

    def make_options(self, items: Sequence[CompletionItem]) -> Sequence[tuple[str, ...]]:
        """Returns all first captions for each item if they are few, else one right among others.

        The captions of the split "train" are among them, so that an action is the same in each
        split.
        """
        known = sorted({*self._captions, *(item.targets[0] for item in items)})
        if len(known) <= MOST_CHOICES:
            return [tuple(known)] * len(items)
        return super().make_options(items)

    def example(self, index: int) -> Example:
        """Returns the example with this index; reward functions get its image as `image`."""
        item, example = self._items[index], super().example(index)
        image = item.image
        assert image is not None
        shown = np.zeros_like(image) if self._blank else image
        return replace(example, image=shown, columns={**example.columns, "image": image})

    def example_of(self, prompt: str) -> Example:
        """Returns an example of a caller's own prompt with a black image, without captions."""
        black = np.zeros(self.image_shape, np.uint8)
        return replace(super().example_of(prompt), image=black, columns={"image": black})

    def example_of_image(self, image: np.ndarray) -> Example:
        """Returns an example of a caller's own image with the usual prompt, without captions.

        Raises:
            ValueError: If it is no uint8 array of the shape `image_shape`.
        """
        own = checked_image(image, self.image_shape, "image")
        return replace(self.example_of(self._prompt), image=own, columns={"image": own})

    def _item(self, captioned: CaptionedImage) -> CompletionItem:
        image, captions, group = captioned
        columns = {"kind": group} if group else {}
        return CompletionItem(self._prompt, captions, group, columns=columns, image=image)

    def _own_images(self, dataset: str, split: str) -> list[CaptionedImage]:
        """Returns the embedded scenes, or the digits, of a split."""
        spec, size = SplitSpec.parse(split), self._size or DEFAULT_SIZE
        if dataset == DIGITS:
            found = digits(spec.name, size)
        else:
            found = scenes(spec.name, self._kind, self._held_out, size)
        return spec.select(found, lambda captioned: captioned.image.tobytes().hex())

    def _training_captions(self, dataset: str, columns: Mapping[str, str] | None) -> list[str]:
        """Returns the first captions of the training images."""
        if dataset == EMBEDDED:
            return list(first_captions("train", self._kind, self._held_out))
        if dataset == DIGITS:
            return [captioned.captions[0] for captioned in self._own_images(dataset, "train")]
        rows = self.read_rows(dataset, "train", columns)
        return [one_line(row.texts["caption"][0]) for row in rows]


def _folder(dataset: str) -> Path:
    """Returns the folder of the images: the dataset itself, or that of its file."""
    path = Path(dataset).expanduser()
    return path if path.is_dir() else path.parent


def _few_shot_prompt(
    tokenizer: Tokenizer, captions: Sequence[str], shots: int, most_tokens: int
) -> str:
    """Returns the prompt with captions that have many words; see `Captioning`."""
    words = {caption: set(caption.split()) for caption in captions}  # each caption once, in order
    chosen: list[str] = []
    known: set[str] = set()
    while len(chosen) < shots and words:
        best = max(words, key=lambda caption: len(words[caption] - known))
        new = words.pop(best) - known
        prompt = prompt_templates.caption([*chosen, best], "")[0]
        if not new or len(tokenizer.encode_prompt(prompt)) > most_tokens:
            break
        chosen.append(best)
        known |= new
    return prompt_templates.caption(chosen, "")[0]
