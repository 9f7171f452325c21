from pathlib import Path

import pytest
import torch

from agents.config.loading import UserError
from agents.config.pretrain import PretrainConfig
from agents.corpus import streams
from agents.language_model import pretraining
from agents.runs.logs import read_metrics

TEXTS = ["the cat sat on the mat", "the dog sat on the cat", "a mat and a dog"]


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "documents", lambda part, split: TEXTS * 40)
    return PretrainConfig.model_validate(
        {
            "run": str(tmp_path / "run"),
            "model": {"n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 32},
            "vocab_size": 300,
            "num_steps": 8,
            "batch_size": 4,
            "context": 16,
            "warmup_steps": 2,
            "evaluate_every": 4,
            "checkpoint_every": 4,
            "mix": dict.fromkeys(streams.PARTS, 1.0),
        }
    )


def weights_of(run):
    return torch.cat([p.flatten() for p in run.model.parameters()])


def test_a_resumed_run_equals_an_uninterrupted_one(config, tmp_path):
    whole = pretraining.pretrain(config)
    half = pretraining.PretrainRun(config, *parts(config, tmp_path))
    for _ in range(4):
        half.advance()
    folder = tmp_path / "resumed"
    folder.mkdir()
    half.save(folder / pretraining.CHECKPOINT)
    resumed = pretraining.pretrain(config.model_copy(update={"run": str(folder)}), resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))


def test_a_resumed_run_logs_each_step_once(config, tmp_path):
    config = config.model_copy(update={"log_every": 1})
    pretraining.pretrain(config)
    folder = tmp_path / "run"
    half = pretraining.PretrainRun(config, *parts(config, tmp_path))
    for _ in range(4):
        half.advance()
    half.save(folder / pretraining.CHECKPOINT)
    pretraining.pretrain(config, resume=True)
    assert [row["step"] for row in read_metrics(folder)] == list(range(1, 9))


def test_another_configuration_is_not_resumed(config):
    pretraining.pretrain(config)
    changed = config.model_copy(update={"learning_rate": 1.0})
    with pytest.raises(ValueError, match=r"learning_rate=1\.0 with --resume.*learning_rate=0\.002"):
        pretraining.pretrain(changed, resume=True)


def test_a_damaged_checkpoint_is_refused_in_one_line(config):
    run = pretraining.pretrain(config)
    path = Path(config.run) / pretraining.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(
        UserError, match=r"Got an unreadable .*bytes, but .*best\.pt of step \d+ is intact"
    ):
        run.restore(path)


def parts(config, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    tokenizer = streams.train_tokenizer(folder / "tokenizer.json", config.vocab_size)
    return tokenizer, streams.Streams(tokenizer, folder, config.seed)


def test_the_loss_falls(config, tmp_path):
    run = pretraining.PretrainRun(
        config.model_copy(update={"num_steps": 60}), *parts(config, tmp_path)
    )
    before = run.held_out_losses()
    for _ in range(60):
        run.advance()
    after = run.held_out_losses()
    assert all(after[part] < before[part] - 0.3 for part in after)


def test_an_existing_run_is_not_overwritten(config):
    pretraining.pretrain(config)
    with pytest.raises(ValueError, match="use --resume"):
        pretraining.pretrain(config)
