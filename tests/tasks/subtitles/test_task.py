"""Live subtitles as a task: examples, scores and bad input."""

import numpy as np
import pytest

from lm_envs.model import loading
from lm_envs.tasks.subtitles.task import LiveSubtitles
from lm_envs.tokenizer import Tokenizer

PASSAGE = " ".join(f"word{number}" for number in range(10))


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_folder(loading.locate("embedded"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "passages.jsonl"
    rows = [f'{{"text": "{PASSAGE}", "split": "{split}"}}' for split in ("train", "validation")]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


def task(tokenizer, **options):
    return LiveSubtitles(tokenizer, **{"context_words": 4, "spoken_words": 3} | options)


def test_an_example_is_the_words_before_and_the_spoken_words(tokenizer, file):
    made = task(tokenizer, dataset=file)
    assert made.num_examples == 2
    example = made.example(1)
    assert tokenizer.decode_prompt(example.prompt) == "word3 word4 word5 word6"
    assert example.targets == ("word7 word8 word9",)
    assert tokenizer.decode(example.reference) == " word7 word8 word9"
    assert made.word_texts(example) == ("word7", "word8", "word9")
    tokens = made.spoken(example).tokens
    assert [tokenizer.decode(each) for each in tokens] == [" word7", " word8", " word9"]


def test_a_stride_makes_more_examples_with_words_in_common(tokenizer, file):
    made = task(tokenizer, dataset=file, stride=1)
    assert [made.example(index).targets[0] for index in range(made.num_examples)] == [
        "word4 word5 word6",
        "word5 word6 word7",
        "word6 word7 word8",
        "word7 word8 word9",
    ]


def test_embedded_splits_share_no_part(tokenizer):
    texts = [
        {made.example(index).targets for index in range(made.num_examples)}
        for split in ("train", "validation", "test")
        for made in [LiveSubtitles(tokenizer, split=split)]
    ]
    assert min(map(len, texts)) > 500
    assert texts[0].isdisjoint(texts[1] | texts[2])
    assert texts[1].isdisjoint(texts[2])


def test_content_is_the_share_of_information_and_waiting_a_mean_over_all_words(tokenizer, file):
    made = task(tokenizer, dataset=file, reading_speed=0.5)
    example = made.example(0)
    information = made.spoken(example).information
    assert information.sum() == pytest.approx(1.0)
    scores = made.scores_of(example, np.array([True, True]))
    assert scores["content"] == pytest.approx(information[:2].sum())
    assert scores["waiting"] == pytest.approx((0.5 + 1.0) / 3)
    whole = made.scores_of(example, np.ones(3, bool))
    assert whole["content"] == pytest.approx(1.0)
    nothing = made.scores_of(example, np.zeros(3, bool))
    assert nothing == {"content": 0.0, "waiting": 0.0}


def test_words_are_as_rare_as_in_the_split_train(tokenizer, tmp_path):
    path = tmp_path / "passages.jsonl"
    rows = ["a a a a often often rare", "a a a a rare rare often"]
    lines = [
        f'{{"text": "{text}", "split": "{split}"}}'
        for text, split in zip(rows, ("train", "test"), strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    made = task(tokenizer, dataset=str(path), split="test")
    first, _, last = made.spoken(made.example(0)).information
    assert first > last


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reading_speed": 0}, "reading_speed=0; allowed: more than 0"),
        ({"reading_speed": "fast"}, "reading_speed"),
        ({"spoken_words": 0}, "spoken_words"),
        ({"context_words": 0}, "context_words"),
        ({"spoken_words": 9}, "no passage of 13 words in split 'train'"),
        ({"rewards": {"chrF": 1.0}}, "unknown score 'chrF'"),
    ],
)
def test_bad_arguments_are_named(tokenizer, file, options, message):
    with pytest.raises(ValueError, match=message):
        task(tokenizer, dataset=file, **options)


def test_parts_with_too_many_tokens_are_left_out_with_a_warning(tokenizer, tmp_path):
    path = tmp_path / "passages.txt"
    path.write_text("the the the the the the the\n" + PASSAGE + "\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="Left out 2 of 3 examples .* max_new_tokens=3"):
        made = task(tokenizer, dataset=str(path), max_new_tokens=3, split="train[:100%]")
    assert made.num_examples == 1


def test_a_prompt_of_the_callers_own_is_refused(tokenizer, file):
    with pytest.raises(ValueError, match="Got prompt 'hello' for subtitles; select an example"):
        task(tokenizer, dataset=file).example_of("hello")
