import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer

from agents.config.loading import UserError
from agents.runs import replay

BOX = gym.spaces.Box(-1, 1, (3,), np.float32)
SPACES = {"box": BOX, "dict": gym.spaces.Dict({"a": BOX, "b": gym.spaces.MultiDiscrete([4, 4])})}


def made(kind, size=8, **options):
    buffer = DictReplayBuffer if kind == "dict" else ReplayBuffer
    return buffer(size, SPACES[kind], gym.spaces.Discrete(5), "cpu", n_envs=2, **options)


def fill(buffer, steps, rng):
    def draw(space):
        space.seed(int(rng.integers(1000)))
        if isinstance(space, gym.spaces.Dict):
            return {name: draw(each) for name, each in space.items()}
        return np.stack([space.sample() for _ in range(2)])

    for _ in range(steps):
        before, after = draw(buffer.observation_space), draw(buffer.observation_space)
        done, infos = rng.random(2) < 0.3, [{"TimeLimit.truncated": True}, {}]
        buffer.add(before, after, rng.integers(5, size=2), rng.random(2), done, infos)


@pytest.mark.parametrize("kind", ["box", "dict", "compact"])
@pytest.mark.parametrize("steps", [2, 4, 11])
def test_a_restored_buffer_gives_the_same_samples(tmp_path, kind, steps):
    options = {"optimize_memory_usage": True, "handle_timeout_termination": False}
    options = options if kind == "compact" else {}
    kind = "box" if kind == "compact" else kind
    full, fresh = made(kind, **options), made(kind, **options)
    fill(full, steps, np.random.default_rng(0))
    replay.write(full, tmp_path / "r.safetensors")
    replay.restore(fresh, tmp_path / "r.safetensors")
    fill(full, 3, np.random.default_rng(1))
    fill(fresh, 3, np.random.default_rng(1))
    samples = []
    for buffer in (full, fresh):
        np.random.seed(0)
        sample = buffer.sample(32)
        parts = [*sample] if kind == "box" else [*sample[0].values(), sample[1], *sample[3:]]
        samples.append(np.concatenate([np.ravel(part) for part in parts if part is not None]))
    assert np.array_equal(*samples)
    assert (full.pos, full.full) == (fresh.pos, fresh.full)


def test_only_the_filled_part_is_stored(tmp_path):
    buffer = made("box", size=10_000)
    fill(buffer, 3, np.random.default_rng(0))
    replay.write(buffer, tmp_path / "r.safetensors")
    assert replay.num_bytes(buffer) < (tmp_path / "r.safetensors").stat().st_size < 2000


def test_a_buffer_of_another_size_or_a_damaged_file_is_refused(tmp_path):
    buffer = made("box")
    fill(buffer, 4, np.random.default_rng(0))
    path = tmp_path / "r.safetensors"
    replay.write(buffer, path)
    with pytest.raises(UserError, match="without observations of shape"):
        replay.restore(made("box", size=4), path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="which cannot be read"):
        replay.restore(made("box"), path)
