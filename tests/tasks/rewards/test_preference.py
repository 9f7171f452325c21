import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.preferences.features import text_features
from lm_envs.model.loading import fingerprint
from lm_envs.storage import write_arrays
from lm_envs.tasks.ratings import RatedText
from lm_envs.tasks.rewards.preference import load_preference
from tests.agents.preferences.made_preferences import preference

gym.register_envs(lm_envs)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "p.safetensors"
    preference(fingerprint("embedded")).save(path)
    return path


def make_envs(path, **kwargs):
    rewards = {f"preference:{path}": 1.0}
    kwargs = {"max_new_tokens": 4, "rewards": rewards, **kwargs}
    return gym.make_vec("lm_envs/NextWord-v0", num_envs=3, **kwargs)


def test_the_reward_is_the_preference_of_the_same_text_in_a_store(tmp_path):
    fitted = preference(fingerprint("embedded"))
    fitted.state_weights[:] = np.random.default_rng(0).normal(size=256) / 20
    path = tmp_path / "p.safetensors"
    fitted.save(path)
    envs = make_envs(path, dense=False)
    envs.reset(seed=0)
    for _ in range(4):
        _, rewards, *_ = envs.step(np.array([0, 1, 2]))
    texts = [
        RatedText(t.prompt, t.text, tuple(t.prompt_tokens.tolist()), tuple(t.tokens.tolist()))
        for t in envs.unwrapped.transcripts
    ]
    utilities = fitted.utilities(*text_features(texts, "embedded"))
    assert rewards == pytest.approx(1 / (1 + np.exp(-utilities)), abs=2e-4)
    assert len(set(rewards.tolist())) == 3


def test_dense_and_final_rewards_have_the_same_sum(path):
    totals = []
    for dense in (True, False):
        envs = make_envs(path, dense=dense)
        envs.reset(seed=0)
        totals.append(sum(envs.step(np.array([0, 1, 2]))[1] for _ in range(4)))
    assert totals[0] == pytest.approx(totals[1])


def test_a_file_for_another_model_is_refused(tmp_path):
    path = tmp_path / "p.safetensors"
    preference("f" * 64).save(path)
    with pytest.raises(ValueError, match=r"with SHA-256 ffffffffffff…, .*agents.rate"):
        make_envs(path)


def test_a_missing_or_malformed_file_is_refused(tmp_path, path):
    with pytest.raises(ValueError, match=r"Got .*missing, which cannot be read"):
        make_envs(tmp_path / "missing")
    arrays = {"state_weights": np.zeros(3), "feature_weights": np.zeros(2), "offset": np.zeros(1)}
    header = {"kind": "lm_envs preference", "version": 1, "fingerprint": "f", "features": ["a"]}
    write_arrays(path, arrays, header)
    with pytest.raises(ValueError, match=r"with features \['a'\]; allowed: version 1"):
        load_preference(path)


def test_a_saved_preference_is_loaded_as_it_was(path):
    saved, loaded = preference(fingerprint("embedded")), load_preference(path)
    np.testing.assert_array_equal(loaded.feature_weights, saved.feature_weights)
    assert (loaded.offset, loaded.model) == (saved.offset, saved.model)
