import gymnasium as gym
import numpy as np

import lm_envs
from benchmarks.harness.prepared_engine import replace_engine
from lm_envs.envs.vector_env import LanguageVectorEnv

gym.register_envs(lm_envs)


def test_replaced_engine_returns_the_prepared_outputs_in_turn_and_reads_nothing():
    env = gym.make_vec("lm_envs/NextWord-v0", num_envs=2).unwrapped
    assert isinstance(env, LanguageVectorEnv)
    env.reset(seed=0)
    prepared = []
    for _ in range(2):
        env.step(np.zeros(2, np.int64))
        prepared.append(env.outputs)
    real = env.engine
    before = real.num_forward_tokens
    replace_engine(env, prepared)
    for wanted in (*prepared, *prepared):
        observations = env.step(np.ones(2, np.int64))[0]
        assert env.outputs is wanted
        assert np.array_equal(observations[:, : wanted.hidden.shape[1]], wanted.hidden)
    env.reset()
    assert env.outputs is prepared[1]
    assert real.num_forward_tokens == before
