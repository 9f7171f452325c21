import numpy as np
from lm_envs_docs import episodes
from PIL import Image


def test_animation_shows_the_start_and_each_step(tmp_path):
    shown = episodes.frames("lm_envs/Dialogue-v0")
    assert len(shown) >= 3
    assert not np.array_equal(shown[0], shown[-1])
    path = tmp_path / "folder" / "dialogue.gif"
    episodes.write_animation("lm_envs/Dialogue-v0", path)
    with Image.open(path) as picture:
        assert picture.n_frames == len(shown)
        assert picture.size == episodes.without_gap(shown)[0].shape[1::-1]
        assert picture.info["duration"] == episodes.LAST_FRAME_MS
    assert path.stat().st_size < 300_000


def test_only_rows_that_are_empty_in_all_frames_are_left_out():
    height = 10 + 3 * episodes.GAP + 10
    shown = np.zeros((2, height, 4, 3), np.uint8)
    shown[0, 3, 1] = shown[1, 9, 2] = shown[:, -5, 0] = 255
    kept = episodes.without_gap(shown)
    assert len(kept[0]) == len(kept[1]) < height
    for before, after in zip(shown, kept, strict=True):
        assert before.sum() == after.sum()
