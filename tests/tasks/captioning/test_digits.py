"""Handwritten digits as images."""

import sys

import pytest

from lm_envs.tasks.captioning.digits import digits

SIZE = (36, 36)


def test_the_splits_hold_each_image_once():
    pytest.importorskip("sklearn")
    splits = [digits(name, SIZE) for name in ("train", "validation", "test")]
    pixels = [{captioned.image.tobytes() for captioned in split} for split in splits]
    assert sum(map(len, splits)) == 1797
    assert len(set.union(*pixels)) == sum(map(len, pixels))


def test_a_digit_is_gray_and_named():
    pytest.importorskip("sklearn")
    captioned = digits("train", SIZE)[0]
    assert captioned.image.shape == (*SIZE, 3)
    assert (captioned.image[:, :, 0] == captioned.image[:, :, 2]).all()
    assert captioned.captions[0] == f"the number {captioned.captions[1]}"


def test_without_scikit_learn_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    digits.cache_clear()
    with pytest.raises(ValueError, match=r"dataset='digits'.*pip install lm_envs\[images\]"):
        digits("train", SIZE)
