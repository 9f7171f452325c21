"""The tensors of an agent, also for an algorithm that keeps some outside its networks."""

import pytest
import torch

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.config.loading import UserError
from agents.config.train import AlgorithmConfig
from agents.push.agent_files import TENSORS, read_agent, write_agent
from agents.runs import checkpoints
from tests.agents.finished_run import CONFIG, changed


@pytest.fixture(scope="module")
def soft():
    """SAC, whose entropy coefficient is a tensor outside any network."""
    kwargs = {**CONFIG.env.kwargs, "actions": "embedding"}
    env = CONFIG.env.model_copy(update={"kwargs": kwargs})
    return changed(env=env, algorithm=AlgorithmConfig(name="SAC", kwargs={"buffer_size": 100}))


def test_every_tensor_of_sac_comes_back(soft, tmp_path):
    agent = make_algorithm(soft, make_training_env(soft), None)
    with torch.no_grad():
        agent.log_ent_coef.fill_(0.7)
        agent.actor.mu.bias.fill_(0.3)
    agent.get_env().reset()
    checkpoints.save(agent, tmp_path / "checkpoint.pt")
    target = tmp_path / "sent"
    assert write_agent(tmp_path, target) == ([TENSORS], 0)
    found = read_agent(target, soft)
    assert float(found.log_ent_coef) == pytest.approx(0.7)
    assert float(found.actor.mu.bias.mean()) == pytest.approx(0.3)


def test_tensors_of_another_configuration_are_refused(soft, run_folder, tmp_path):
    write_agent(run_folder, tmp_path)
    with pytest.raises(UserError, match=r"does not fit config\.yaml: it has other tensors"):
        read_agent(tmp_path, soft)


def test_a_damaged_file_is_refused(run_folder, tmp_path):
    write_agent(run_folder, tmp_path)
    (tmp_path / TENSORS).write_bytes(b"broken")
    with pytest.raises(UserError, match=r"agent\.safetensors, which does not fit"):
        read_agent(tmp_path, CONFIG)
