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
        assert picture.size == shown[0].shape[1::-1]
        assert picture.info["duration"] == episodes.LAST_FRAME_MS
    assert path.stat().st_size < 300_000
