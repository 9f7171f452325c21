"""A run that is killed and resumed ends as an uninterrupted one: every number in its checkpoint."""

import numpy as np
import pytest
import torch

import agents.train
from agents.config.train import ALGORITHMS
from agents.evaluate import evaluate
from agents.train import train
from tests.agents.exact_state import configured, fitted_reducer, state
from tests.agents.finished_run import failing_at, metrics, power_cut


def interrupted(runs, step, config):
    """Trains until a step, dies there, and draws other numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agents.train, "make_training_env", failing_at(step, power_cut))
        with pytest.raises(KeyboardInterrupt):
            train(config, runs)
    np.random.seed(99)
    torch.manual_seed(99)


FAST = ("DQN", "RecurrentPPO", "PPO use_sde")
SLOW = sorted({*ALGORITHMS, "A2C use_sde", "SAC use_sde", "TQC use_sde"} - {*FAST})


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_a_killed_and_resumed_run_has_every_number_of_an_uninterrupted_one(tmp_path, name):
    """Regression: replay buffers restarted empty, and RecurrentPPO forgot its states.

    With `use_sde` the noise of the first rollout was drawn again.
    """
    name, _, sde = name.partition(" ")
    reducer = fitted_reducer(tmp_path) if name == "TabularQ" else None
    step = 4 * int(np.random.default_rng(len(name)).integers(25, 62))
    check_resume(tmp_path, configured(name, reducer, use_sde=bool(sde)), step)


def test_a_run_that_compares_groups_is_resumed_exactly(tmp_path):
    """Regression: which episode a row had come to was not known any more."""
    check_resume(tmp_path, configured("PPO", group_size=2), 148)


def test_a_run_that_sees_images_and_began_as_a_clone_is_resumed_exactly(tmp_path):
    """It is cut off while its critic warms up; the actor has no optimizer state by then."""
    kwargs = {"kind": "object", "max_new_tokens": 7}
    env = {"id": "lm_envs/Captioning-v0", "n_envs": 4, "split": "train[:2%]", "kwargs": kwargs}
    config = configured("PPO", clone_epochs=1, value_warm_up=160)
    named = {"policy": "MultiInputPolicy"}
    updates = {
        "env": config.env.model_validate(env),
        "algorithm": config.algorithm.model_copy(update=named),
    }
    check_resume(tmp_path, config.model_copy(update=updates), 148)
    written = evaluate([tmp_path / "test-s0"], "test[:5%]", 5)
    blank, seen = written["agent, image blanked"][0], written["agent"][0]
    assert len(blank) == len(seen) > 1
    assert len({text.text for text in blank}) == 1  # nothing else tells the examples apart


def check_resume(tmp_path, config, step):
    """Asserts that a run ends with the same numbers if it is cut off at a step and resumed."""
    train(config, tmp_path)
    interrupted(tmp_path / "cut", step, config)
    train(config, tmp_path / "cut", resume=True)
    whole, joined = state(tmp_path / "test-s0"), state(tmp_path / "cut" / "test-s0")
    assert whole.keys() == joined.keys()
    for key, value in whole.items():
        equal = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
        assert equal(joined[key], value), key
    assert metrics(tmp_path / "cut" / "test-s0") == metrics(tmp_path / "test-s0")


def test_a_replay_buffer_above_its_limit_is_not_stored(tmp_path, capsys):
    config = configured("DQN", total_timesteps=128, max_replay_mb=0)
    train(config, tmp_path)
    assert not list((tmp_path / "test-s0").glob("replay-*"))
    train(config.model_copy(update={"total_timesteps": 160}), tmp_path, resume=True)
    assert "has no replay buffer: it restarts empty" in capsys.readouterr().err


def test_one_replay_buffer_is_kept_and_a_damaged_one_is_refused(tmp_path):
    config = configured("DQN")
    train(config, tmp_path)
    (path,) = (tmp_path / "test-s0").glob("replay-*")
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"unreadable .*replay-256\.safetensors .*SHA-256"):
        train(config.model_copy(update={"total_timesteps": 300}), tmp_path, resume=True)
