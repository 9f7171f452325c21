"""A program: a process that has used a model starts others, which compute the same rewards.

    python -m tests.proofs.warm_parent METHOD

METHOD is fork, spawn or forkserver.
"""

import multiprocessing
import sys

import gymnasium as gym
from stable_baselines3.common.vec_env import SubprocVecEnv

import lm_envs

gym.register_envs(lm_envs)
ID = "lm_envs/NextWord-v0"


def make():
    return gym.make(ID, max_new_tokens=4)


def rewards(seed):
    """Rewards of one episode that always writes the same candidate."""
    env, found, is_over = make(), [], False
    env.reset(seed=seed)
    while not is_over:
        _, reward, terminated, truncated, _ = env.step(2)
        found.append(reward)
        is_over = terminated or truncated
    return found


def main(method):
    """Compares a pool, SB3's and Gymnasium's environments with this process's own numbers."""
    expected = [rewards(seed) for seed in (0, 1)]  # from here on the process has used a model
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(rewards, [0, 1]) == expected
    for _ in range(2):
        envs = SubprocVecEnv([make] * 2, start_method=method)
        envs.seed(0)
        envs.reset()
        assert envs.step([2, 2])[1].tolist() == [each[0] for each in expected]
        envs.close()
    options = {"context": method}
    batch = gym.make_vec(ID, 2, vectorization_mode="async", vector_kwargs=options, max_new_tokens=4)
    batch.reset(seed=0)
    assert batch.step([2, 2])[1].tolist() == [each[0] for each in expected]
    batch.close()
    assert [rewards(seed) for seed in (0, 1)] == expected
    print("equal")


if __name__ == "__main__":
    main(sys.argv[1])
