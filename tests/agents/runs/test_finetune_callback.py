import pytest
import torch

from agents.language_model import memory_estimate
from agents.language_model.finetuning import FinetuneRun
from agents.runs.folder import open_run
from tests.agents.finetune_run import small_config


@pytest.fixture
def config(checkpoint):
    return small_config(checkpoint)


def test_only_the_value_head_is_trained_in_its_warm_up(config, tmp_path):
    config = config.model_copy(update={"total_timesteps": 32})
    open_run(config, tmp_path / "run", resume=False)
    run = FinetuneRun(config, tmp_path / "run")
    before = [p.clone() for p in run.policy.network.parameters()]
    run.reinforce()
    assert all(map(torch.equal, before, run.policy.network.parameters()))
    assert run.policy.value_net.weight.abs().max() > 0


def test_a_batch_that_does_not_fit_is_refused_before_the_first_update(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(memory_estimate, "available_memory", lambda device: 2**20)
    config = config.model_copy(update={"value_warm_up": 0, "warm_start": None})
    open_run(config, tmp_path / "run", resume=False)
    run = FinetuneRun(config, tmp_path / "run")
    before = [p.clone() for p in run.policy.parameters()]
    with pytest.raises(MemoryError, match="Got a batch of 16 steps"):
        run.reinforce()
    assert all(map(torch.equal, before, run.policy.parameters()))
