"""The captioning task: prompts, images and captions of scenes and of files."""

import json

import numpy as np
import pytest
from PIL import Image

from lm_envs.tasks.captioning.task import Captioning
from tests.tasks.helpers import embedded_tokenizer, option_texts

TOKENIZER = embedded_tokenizer()


def write_folder(folder, rows, size=(8, 8), name="captions.jsonl"):
    """Writes the file and the images that it names, each of another gray; returns the folder."""
    for number, row in enumerate(rows):
        Image.new("L", size, 10 * number).save(folder / row["image"])
    lines = [json.dumps({"split": "train", **row}) + "\n" for row in rows]
    (folder / name).write_text("".join(lines))
    return str(folder)


def test_all_images_have_one_prompt_which_shows_every_token_of_their_captions():
    task = Captioning(TOKENIZER, split="test")
    prompt = task.example(0).prompt
    for index in range(task.num_examples):
        example = task.example(index)
        np.testing.assert_array_equal(example.prompt, prompt)
        assert set(example.reference.tolist()) <= set(prompt.tolist())


def test_the_prompt_is_made_of_training_captions_in_every_split():
    texts = [
        TOKENIZER.decode(Captioning(TOKENIZER, split=s).example(0).prompt)
        for s in ("train", "test")
    ]
    assert texts[0] == texts[1]
    train = Captioning(TOKENIZER)
    known = {text for index in range(train.num_examples) for text in train.example(index).targets}
    shown = texts[0].split("\n")[0].removeprefix("Text: ").split("; ")
    assert set(shown) <= known


def test_a_blanked_image_is_black_and_keeps_its_captions():
    seen, blank = (
        Captioning(TOKENIZER, split="test"),
        Captioning(TOKENIZER, split="test", blank=True),
    )
    assert not blank.example(3).image.any()
    assert seen.example(3).image.any()
    assert blank.example(3).targets == seen.example(3).targets


def test_a_folder_names_images_and_captions(tmp_path):
    rows = [
        {"image": "a.png", "caption": ["a dark square", "a square"]},
        {"image": "b.png", "caption": "a gray square"},
    ]
    task = Captioning(TOKENIZER, dataset=write_folder(tmp_path, rows))
    assert task.image_shape == (8, 8, 3)
    assert task.example(0).targets == ("a dark square", "a square")
    assert task.example(1).image[0, 0].tolist() == [10, 10, 10]
    assert "a gray square" in TOKENIZER.decode(task.example(0).prompt)


def test_rows_with_the_same_image_are_one_example_with_all_captions(tmp_path):
    rows = [{"image": "a.png", "caption": text} for text in ("a square", "a box")]
    folder = write_folder(tmp_path, rows)
    task = Captioning(TOKENIZER, dataset=f"{folder}/captions.jsonl")
    assert task.num_examples == 1
    assert task.example(0).targets == ("a square", "a box")


def test_images_of_two_shapes_are_refused_unless_they_are_resized(tmp_path):
    folder = write_folder(tmp_path, [{"image": n, "caption": "a box"} for n in ("a.png", "b.png")])
    Image.new("RGB", (9, 8)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"'b.png' at .* line 2 of shape \(8, 9, 3\).*image_size"):
        Captioning(TOKENIZER, dataset=folder)
    assert Captioning(TOKENIZER, dataset=folder, image_size=[12, 10]).image_shape == (12, 10, 3)


def test_a_folder_without_captions_is_refused_with_a_row_to_write(tmp_path):
    with pytest.raises(
        ValueError, match=r"without captions.jsonl or metadata.jsonl; write one row"
    ):
        Captioning(TOKENIZER, dataset=str(tmp_path))


def test_few_captions_are_all_lines_to_choose_from(tmp_path):
    rows = [
        {"image": f"{n}.png", "caption": text, "split": split}
        for n, (text, split) in enumerate(
            [("a cat", "train"), ("a dog", "train"), ("a cow", "train"), ("a dog", "test")]
        )
    ]
    task = Captioning(TOKENIZER, dataset=write_folder(tmp_path, rows), split="test")
    assert option_texts(task, 0) == ["a cat", "a cow", "a dog"]


def test_scenes_offer_one_right_caption_of_four():
    task = Captioning(TOKENIZER, split="test")
    for index in range(20):
        lines = option_texts(task, index)
        assert len(set(lines)) == 4
        assert sum(line in task.example(index).targets for line in lines) == 1


@pytest.mark.parametrize(
    "options",
    [{"kind": "dog"}, {"held_out": "color"}, {"blank": "no"}, {"shots": -1}, {"image_size": [3]}],
)
def test_unknown_values_are_refused(options):
    with pytest.raises(ValueError, match=f"Got {next(iter(options))}="):
        Captioning(TOKENIZER, **options)
