"""The library as a vector environment of Stable-Baselines3."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import TransformReward
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor, VecNormalize

import lm_envs
from lm_envs.envs.ids.next_word import NextWordEnv
from lm_envs.sb3 import LanguageVecEnv, make_language_vec_env
from tests.envs.helpers import FAILING, failing_score

gym.register_envs(lm_envs)
ID = "lm_envs/NextWord-v0"


def test_make_vec_env_and_the_helper_make_the_same_environment():
    options = {"max_new_tokens": 5}
    idiom = make_vec_env(ID, 6, seed=3, vec_env_cls=LanguageVecEnv, env_kwargs=options)
    helper = make_language_vec_env(ID, 6, seed=3, render_mode="rgb_array", **options)
    assert np.array_equal(idiom.reset(), helper.reset())
    rng = np.random.default_rng(0)
    for _ in range(12):
        actions = rng.integers(0, 16, 6)
        for mine, theirs in zip(idiom.step(actions)[:3], helper.step(actions)[:3], strict=True):
            assert np.array_equal(mine, theirs)
    assert helper.get_images()[0].shape == (360, 640, 3)


def test_the_vec_env_returns_what_dummy_vec_env_returns():
    options = {"max_new_tokens": 5, "max_steps": 4}
    batch = make_language_vec_env(ID, 3, seed=1, **options)
    plain = make_vec_env(lambda: NextWordEnv(**options), 3, seed=1)
    np.testing.assert_allclose(batch.reset(), plain.reset(), rtol=0, atol=2e-5)
    assert batch.reset_infos == plain.reset_infos
    rng = np.random.default_rng(0)
    for _ in range(15):
        actions = rng.integers(0, 16, 3)
        mine, rewards, dones, infos = batch.step(actions)
        theirs, other_rewards, other_dones, other_infos = plain.step(actions)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5)
        assert np.array_equal(rewards, other_rewards)
        assert np.array_equal(dones, other_dones)
        assert batch.reset_infos == plain.reset_infos
        for row in np.flatnonzero(dones):
            info, other = infos[row], other_infos[row]
            assert set(info) == set(other)
            assert info["TimeLimit.truncated"] == other["TimeLimit.truncated"]
            assert (info["text"], info["scores"]) == (other["text"], other["scores"])
            assert info["episode"]["r"] == pytest.approx(other["episode"]["r"], abs=1e-5)
            assert info["episode"]["l"] == other["episode"]["l"]
            np.testing.assert_allclose(
                info["terminal_observation"], other["terminal_observation"], rtol=0, atol=2e-5
            )


def test_ppo_learns_to_raise_the_reward():
    """For fluency alone the first candidate is the best action, which PPO finds."""
    env = make_language_vec_env(ID, 16, seed=0, max_new_tokens=4, rewards={"fluency": 1.0})
    agent = PPO("MlpPolicy", env, n_steps=16, batch_size=128, learning_rate=3e-3, gamma=1.0, seed=0)
    before, _ = evaluate_policy(agent, env, n_eval_episodes=64)
    agent.learn(8192)
    after, _ = evaluate_policy(agent, env, n_eval_episodes=64)
    assert after > before + 0.05


def test_plain_sb3_with_an_id_works():
    PPO("MlpPolicy", ID, n_steps=32, batch_size=32).learn(32)


@pytest.mark.parametrize("algorithm", [A2C, DQN])
def test_other_algorithms_train(algorithm):
    env = make_language_vec_env(ID, 4, seed=0, max_new_tokens=4)
    agent = algorithm("MlpPolicy", env).learn(256)
    assert agent.num_timesteps >= 256


def test_the_seed_determines_the_episodes():
    first, second = (make_language_vec_env(ID, 4, seed=5).reset() for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, make_language_vec_env(ID, 4, seed=6).reset())


def test_options_apply_to_the_next_reset_only():
    env = make_language_vec_env(ID, 2, seed=0)
    env.set_options([{"prompt": "One"}, {"prompt": "Two"}])
    env.reset()
    assert [info["prompt"] for info in env.reset_infos] == ["One", "Two"]
    env.reset()
    assert [info["prompt"] for info in env.reset_infos] != ["One", "Two"]


def test_a_wrapper_that_would_be_lost_is_refused():
    with pytest.raises(ValueError, match=r"wrapped in TransformReward.*VecEnvWrapper"):
        make_vec_env(
            lambda: TransformReward(gym.make(ID), lambda reward: 2 * reward),
            vec_env_cls=LanguageVecEnv,
        )


def test_max_episode_steps_of_gymnasium_becomes_max_steps():
    env = make_vec_env(ID, 2, vec_env_cls=LanguageVecEnv, env_kwargs={"max_episode_steps": 3})
    env.reset()
    for _ in range(3):
        _, _, dones, infos = env.step(np.zeros(2, int))
    assert dones.all()
    assert all(info["TimeLimit.truncated"] for info in infos)


def test_an_empty_list_of_functions_is_refused():
    with pytest.raises(ValueError, match="no functions that make an environment"):
        LanguageVecEnv([])


def test_reset_infos_are_those_of_the_running_episode():
    env = make_language_vec_env(ID, 2, seed=0, max_new_tokens=2)
    env.reset()
    for _ in range(2):
        env.step(np.zeros(2, int))
    prompts = [transcript.prompt for transcript in env.vector_env.transcripts]
    assert [info["prompt"] for info in env.reset_infos] == prompts


def test_a_state_of_other_rows_is_refused_and_changes_nothing():
    """Regression: returns were restored before the rows were checked."""
    env, other = make_language_vec_env(ID, 2, seed=0), make_language_vec_env(ID, 3, seed=0)
    env.reset()
    other.reset()
    env.step(np.zeros(2, int))
    before = env.get_state()
    for state in (other.get_state(), {}, before["rows"], before | {"returns": [0.0]}):
        with pytest.raises(ValueError, match="Got a state"):
            env.set_state(state)
    assert env.get_state()["returns"].tolist() == before["returns"].tolist()


def test_all_rows_have_to_be_reset_after_a_failed_step(monkeypatch):
    """Regression: every later step failed with an assertion about full rows."""
    env = make_language_vec_env(ID, 2, seed=0, **FAILING | {"max_new_tokens": 1})
    env.reset()
    with monkeypatch.context() as patch:
        patch.setattr(failing_score, "is_failing", True)
        with pytest.raises(
            RuntimeError, match=r"Got ZeroDivisionError from score '.*:failing_score'"
        ):
            env.step(np.zeros(2, int))
    with pytest.raises(gym.error.ResetNeeded, match=r"after a step\(\) that failed; call reset"):
        env.step(np.zeros(2, int))
    env.reset()
    _, rewards, dones, infos = env.step(np.zeros(2, int))
    assert dones.all()
    assert [info["episode"]["r"] for info in infos] == rewards.tolist() == [0.5, 0.5]


def test_another_environment_is_refused():
    with pytest.raises(ValueError, match=r"Got CartPoleEnv.*Use DummyVecEnv"):
        make_vec_env("CartPole-v1", vec_env_cls=LanguageVecEnv)


def test_another_autoreset_mode_is_refused():
    with pytest.raises(ValueError, match="autoreset_mode='same_step'"):
        LanguageVecEnv.from_vector_env(gym.make_vec(ID).unwrapped)


def test_earlier_seeds_do_not_apply_after_a_restored_state():
    """Regression: the reset after a resume used the seed of the first reset again."""
    env, fresh = (make_language_vec_env(ID, 2, seed=0, max_new_tokens=5) for _ in range(2))
    env.reset()
    state = env.get_state()
    fresh.set_state(state)
    np.testing.assert_array_equal(fresh.reset(), env.reset())


@pytest.mark.parametrize("wrap", [VecNormalize, lambda venv: VecFrameStack(venv, 2)])
def test_statistics_and_stacks_of_token_ids_step_without_an_error(wrap):
    """Regression: IndexError and ZeroDivisionError inside Stable-Baselines3."""
    venv = wrap(make_language_vec_env(ID, 2, actions="vocabulary", observation="tokens"))
    first = venv.reset()
    observations, rewards, _, _ = venv.step(np.array([300, 400]))
    assert observations.keys() == first.keys()
    assert np.isfinite(rewards).all()


def test_token_ids_stay_ids_where_only_rewards_are_normalized():
    options = {"seed": 0, "actions": "vocabulary", "observation": "tokens"}
    plain, normalized = (make_language_vec_env(ID, 2, **options) for _ in range(2))
    normalized = VecNormalize(normalized, norm_obs=False)
    np.testing.assert_equal(normalized.reset(), plain.reset())
    actions = np.array([300, 400])
    np.testing.assert_equal(normalized.step(actions)[0], plain.step(actions)[0])


def test_the_file_of_a_monitor_names_the_id(tmp_path):
    """Regression: env_id was None."""
    venv = make_language_vec_env(ID, 2, max_new_tokens=2)
    with pytest.warns(UserWarning, match="already wrapped with a `Monitor`"):
        monitor = VecMonitor(venv, str(tmp_path / "a"))
    monitor.close()
    assert ID in (tmp_path / "a.monitor.csv").read_text()


def test_arguments_of_the_functions_that_users_know_are_refused_with_ours():
    with pytest.raises(TypeError, match="Got num_envs; allowed: n_envs for the number of rows"):
        make_language_vec_env(ID, num_envs=4)
    with pytest.raises(ValueError, match=r"Got n_envs=0; allowed: a whole number, 1 or more"):
        make_language_vec_env(ID, n_envs=0)
    with pytest.raises(TypeError, match=r"Got env_kwargs; .*environment's arguments themselves"):
        make_language_vec_env(ID, env_kwargs={"dense": False})
    with pytest.raises(ValueError, match="'CartPole-v1', whose rows are no language episodes"):
        make_language_vec_env("CartPole-v1")
