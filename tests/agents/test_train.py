import json
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback

from agents import checkpoints
from agents.callbacks import CHECKPOINT
from agents.config import UserError
from agents.evaluate import evaluate, summarise
from agents.learner import make_algorithm, make_training_env
from agents.train import train
from agents.train_config import TrainConfig

CONFIG = TrainConfig.model_validate(
    {
        "name": "test",
        "env": {"id": "lm_envs/NextWord-v0", "n_envs": 4, "kwargs": {"max_new_tokens": 5}},
        "algorithm": {
            "name": "PPO",
            "kwargs": {"n_steps": 16, "batch_size": 32, "learning_rate": "lin_1.0e-3"},
        },
        "total_timesteps": 256,
        "evaluation": {"episodes": 6, "every": 128},
        "checkpoint_every": 128,
    }
)


class SaveOnceAt(BaseCallback):
    """Writes a checkpoint between an update and the next rollout."""

    def __init__(self, step, path):
        super().__init__()
        self.step, self.path = step, path

    def _on_step(self):
        return True

    def _on_rollout_start(self):
        if self.num_timesteps == self.step:
            checkpoints.save(self.model, self.path)


def test_a_run_folder_holds_everything(tmp_path):
    result = train(CONFIG, tmp_path)
    folder = tmp_path / "test-s0"
    names = {path.name for path in folder.iterdir()}
    assert {
        *("config.yaml", "versions.json", "metrics.jsonl", "progress.csv"),
        *("reward.png", "samples.md", CHECKPOINT),
    } <= names
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").open()]
    assert steps == sorted(steps)
    assert steps[0] == 0
    assert steps[-1] == result["steps"] == 256
    assert not list(folder.glob("*.tmp"))


def test_a_resumed_run_is_the_uninterrupted_run_bit_for_bit(tmp_path):
    path = tmp_path / "half.pt"
    model = make_algorithm(CONFIG, make_training_env(CONFIG), None)
    model.learn(256, callback=SaveOnceAt(128, path))
    np.random.seed(99)
    torch.manual_seed(99)
    resumed = make_algorithm(CONFIG, make_training_env(CONFIG), None)
    checkpoints.restore(resumed, path)
    assert resumed.num_timesteps == 128
    resumed.learn(128, reset_num_timesteps=False)
    assert resumed.num_timesteps == model.num_timesteps
    for mine, theirs in zip(model.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_target_reward_stops_training(tmp_path):
    config = CONFIG.model_copy(update={"stop_at_reward": -1.0, "total_timesteps": 10_000})
    assert train(config, tmp_path)["steps"] < 500


def test_an_existing_run_is_not_overwritten(tmp_path):
    (tmp_path / "test-s0").mkdir()
    with pytest.raises(UserError, match=r"Got a run at .* already; use --resume"):
        train(CONFIG, tmp_path)


def test_resuming_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match="Got --resume, but there is no"):
        train(CONFIG, tmp_path, resume=True)


def test_a_checkpoint_that_holds_code_is_not_run(tmp_path):
    path = tmp_path / "evil.pt"

    class Evil:
        def __reduce__(self):
            return exec, ("raise SystemExit('executed')",)

    torch.save({"parameters": Evil()}, path)
    model = make_algorithm(CONFIG, make_training_env(CONFIG), None)
    with pytest.raises(Exception, match="Weights only load failed"):
        checkpoints.load_parameters(model, path)


def test_not_a_number_stops_the_run_and_leaves_the_checkpoint(tmp_path):
    kwargs = {**CONFIG.algorithm.kwargs, "learning_rate": 1.0e30, "max_grad_norm": 1.0e30}
    algorithm = CONFIG.algorithm.model_copy(update={"kwargs": kwargs})
    with pytest.raises((FloatingPointError, ValueError), match=r"NaN|nan|constraint"):
        train(CONFIG.model_copy(update={"algorithm": algorithm}), tmp_path)


def test_evaluation_compares_the_agent_with_baselines_on_the_same_prompts(tmp_path):
    train(CONFIG, tmp_path)
    written = evaluate([tmp_path / "test-s0"], "test", 5)
    prompts = {tuple(t.prompt for t in ts) for seeds in written.values() for ts in seeds}
    assert len(prompts) == 1
    summary = summarise(written)
    assert set(summary["agent_interval_above"]) == set(written) - {"agent"}
    for scores in summary["policies"].values():
        low, high = scores["reward"]["interval"]
        assert low <= scores["reward"]["mean"] <= high


@pytest.mark.slow
def test_a_kill_during_saves_never_tears_the_checkpoint(tmp_path):
    code = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from agents.files import write_atomically\n"
        "state = {'w': torch.zeros(2_000_000)}\n"
        "print('go', flush=True)\n"
        "while True: write_atomically(Path(sys.argv[1]), lambda p: torch.save(state, p))\n"
    )
    path = tmp_path / "c.pt"
    rng = np.random.default_rng(0)
    for _ in range(25):
        child = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(0.25 + rng.random() * 0.2)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert zipfile.ZipFile(path).testzip() is None
