"""Images in files, and arrays of a caller: read, or refused by one line."""

import numpy as np
import pytest
from PIL import Image

from lm_envs.tasks.captioning.images import check_size, checked_image, read_image


def save(path, mode="RGB", size=(8, 4), color=None):
    Image.new(mode, size, color or 0).save(path)


def test_a_file_is_read_as_rows_of_rgb(tmp_path):
    save(tmp_path / "a.png", color=(250, 10, 20))
    image = read_image(tmp_path, "a.png", None, "line 1")
    assert image.shape == (4, 8, 3)
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == [250, 10, 20]


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA"])
def test_files_of_other_modes_and_sizes_are_converted(tmp_path, mode):
    save(tmp_path / "a.png", mode)
    assert read_image(tmp_path, "a.png", (36, 40), "line 1").shape == (36, 40, 3)


def test_a_file_outside_the_folder_is_refused_also_by_a_link(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "link.png"):
        with pytest.raises(ValueError, match="at line 3; allowed: a file below"):
            read_image(folder, name, None, "line 3")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"Got image 'no.png' at line 2, but no such file"):
        read_image(tmp_path, "no.png", None, "line 2")
    with pytest.raises(ValueError, match="Got image 'xxx"):
        read_image(tmp_path, "x" * 5000, None, "line 2")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_broken_file_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"unreadable image 'a.png' at line 1 .*; allowed: PNG"):
        read_image(tmp_path, "a.png", None, "line 1")


def test_a_file_cut_off_in_the_middle_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="unreadable image"):
        read_image(tmp_path, "a.png", None, "line 1")


def test_more_than_8_bits_a_channel_are_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"of mode I;16.*Save it as 8-bit RGB"):
        read_image(tmp_path, "a.png", None, "line 1")


def test_a_very_large_image_is_refused_before_it_is_decoded(tmp_path):
    save(tmp_path / "a.png", "1", (9000, 1))
    with pytest.raises(ValueError, match="9000 x 1 pixels"):
        read_image(tmp_path, "a.png", None, "line 1")


def test_a_caller_array_of_another_shape_or_type_is_refused():
    image = np.zeros((4, 4, 3), np.uint8)
    assert checked_image(image, (4, 4, 3), "image") is not image
    for wrong in (image[:2], image.astype(float), image.tolist(), None):
        with pytest.raises(ValueError, match=r"Got image as .*uint8 array of shape \(4, 4, 3\)"):
            checked_image(wrong, (4, 4, 3), "image")


@pytest.mark.parametrize("size", [[3], [0, 4], [1, 2, 3], [2.5, 2]])
def test_a_size_is_two_whole_numbers(size):
    with pytest.raises(ValueError, match="Got image_size="):
        check_size(size)
    assert check_size([4, 5]) == (4, 5)
