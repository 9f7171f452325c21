"""`lm_envs/Captioning-v0`: images beside the text."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs  # noqa: F401 - registers the ids
from lm_envs.testing import check_environment
from tests.envs.helpers import make

ID = "lm_envs/Captioning-v0"
RED = np.full((36, 36, 3), (215, 35, 35), np.uint8)


@pytest.fixture(scope="module")
def env():
    return make(3, env_id=ID, split="test")


def test_the_observation_is_an_image_and_a_vector(env):
    space = env.single_observation_space
    assert space["image"] == gym.spaces.Box(0, 255, (36, 36, 3), np.uint8)
    assert "candidate_logprobs" in space["text"].columns
    observations, infos = env.reset(options={"index": [0, 1, 2]})
    for row in range(3):
        np.testing.assert_array_equal(observations["image"][row], env.task.example(row).image)
    assert len(set(infos["prompt"])) == 1  # the image alone tells the examples apart


def test_the_contract_holds_in_all_modes():
    check_environment(ID, steps=6)


def test_an_action_writes_the_same_token_in_each_state(env):
    env.reset(seed=0)
    written = []
    for action in (3, 7):
        env.reset(seed=action)
        env.step(env.oracle_actions())
        env.step(np.full(3, action))
        env.step(np.full(3, 5))
        written.append(env.episodes.tokens[:, 2].copy())
    assert len(set(np.concatenate(written).tolist())) == 1


def test_the_oracle_writes_a_caption_of_each_image(env):
    env.reset(options={"index": [4, 5, 6]})
    over = np.zeros(3, bool)
    while not over.any():
        over = np.logical_or(*env.step(env.oracle_actions())[2:4])
    assert all(t.text.strip() in t.reference for t in env.transcripts)


def test_an_image_of_your_own_is_shown_saved_and_restored(env):
    observations, _ = env.reset(options={"image": RED})
    np.testing.assert_array_equal(observations["image"], np.stack([RED] * 3))
    env.step(np.full(3, 6))
    state = env.get_state()
    expected = env.step(np.full(3, 7))[0]
    other = make(3, env_id=ID, split="test")
    restored = other.set_state(state)
    np.testing.assert_array_equal(restored["image"], observations["image"])
    np.testing.assert_array_equal(other.step(np.full(3, 7))[0]["text"], expected["text"])


def test_an_image_for_each_row_is_allowed(env):
    images = np.stack([RED, RED // 2, RED * 0])
    observations, _ = env.reset(options={"image": images})
    np.testing.assert_array_equal(observations["image"], images)


@pytest.mark.parametrize("image", [RED[:4], RED.astype(np.float32), RED[:, :, :1]])
def test_an_image_of_another_shape_or_type_is_refused_and_nothing_changes(env, image):
    env.reset(seed=0)
    before = env.transcripts[0].prompt
    with pytest.raises(ValueError, match=r"allowed: a uint8 array of shape \(36, 36, 3\)"):
        env.reset(options={"image": image})
    env.step(np.zeros(3, int))
    assert env.transcripts[0].prompt == before


def test_a_state_with_an_image_of_another_shape_is_refused(env):
    env.reset(options={"image": RED})
    state = env.get_state()
    state["episodes"]["images"][1] = RED[:4]
    with pytest.raises(ValueError, match="uint8 array of shape"):
        env.set_state(state)


def test_an_image_and_an_index_are_not_both_given(env):
    with pytest.raises(ValueError, match="both 'index' and 'image'"):
        env.reset(options={"image": RED, "index": 0})
    with pytest.raises(ValueError, match=r"Got reset options \['image'\]"):
        make(1).reset(options={"image": RED})


def test_a_frame_shows_the_image():
    frames = []
    for options in ({"image": RED}, {"image": RED * 0}):
        single = gym.make(ID, render_mode="rgb_array", split="test")
        single.reset(options=options)
        frames.append(single.render())
    assert frames[0].shape == (360, 640, 3)
    assert (frames[0] == (215, 35, 35)).all(2).sum() == 160 * 160
    assert not (frames[1] == (215, 35, 35)).all(2).any()


def test_a_reward_function_gets_the_image():
    def brightness(completions, image, **others):
        return [float(each.mean() / 255) for each in image]

    rows = make(2, env_id=ID, split="test", rewards={brightness: 1.0})
    rows.reset(options={"image": RED})
    _, rewards, *_ = rows.step(np.full(2, 6))
    np.testing.assert_allclose(rewards, RED.mean() / 255, atol=1e-6)
