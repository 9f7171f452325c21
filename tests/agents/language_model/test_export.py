"""A trained policy as a folder for `transformers` and for us."""

import numpy as np
import pytest
import torch
from stable_baselines3.common.utils import obs_as_tensor
from transformers import AutoModelForCausalLM

from agents.language_model.export import save_pretrained
from lm_envs.model import loading
from tests.agents.language_model.language_agents import make_agent, make_env


@pytest.fixture(scope="module")
def agent(any_checkpoint):
    agent = make_agent(any_checkpoint)
    agent.learn(60)
    return agent


@pytest.fixture(scope="module")
def folder(agent, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "model"
    save_pretrained(agent.policy, folder)
    return folder


def greedy_continuations(agent, tokens, count):
    """`count` likeliest words after each of some texts (N, T), through the slots."""
    written = np.zeros((len(tokens), tokens.shape[1] + count), np.int64)
    written[:, : tokens.shape[1]] = tokens
    for length in range(tokens.shape[1], written.shape[1]):
        lengths = np.full((len(tokens), 1), length)
        seen = {"tokens": written, "length": lengths}
        with torch.no_grad():
            words = agent.policy(obs_as_tensor(seen, "cpu"), deterministic=True)[0]
        written[:, length] = words.numpy()
    return written


def test_transformers_decodes_the_same_tokens(agent, folder):
    prompts = np.random.default_rng(0).integers(1, 300, (5, 6))
    ours = greedy_continuations(agent, prompts, 12)
    model = AutoModelForCausalLM.from_pretrained(folder)
    nameless = list(range(len(agent.policy.tokenizer), 700))
    theirs = model.generate(
        torch.as_tensor(prompts),
        attention_mask=torch.ones(prompts.shape, dtype=torch.long),
        max_new_tokens=12,
        do_sample=False,
        suppress_tokens=nameless,
        eos_token_id=None,
        pad_token_id=0,
    )
    np.testing.assert_array_equal(ours, theirs)


def test_the_weights_come_back_as_they_were(agent, folder):
    theirs = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    for name, tensor in agent.policy.network.model.state_dict().items():
        assert torch.equal(tensor, theirs[name])


def test_the_environment_and_the_policy_load_the_folder(agent, folder):
    assert loading.load(folder, "cpu", "float32").config.vocab_size == 700
    again = make_agent(folder, make_env(folder))
    assert again.policy.folder == folder.resolve()
    assert (folder / "README.md").read_text().startswith("---\nlibrary_name: transformers")


def test_broken_weights_leave_the_last_export_whole(checkpoint, tmp_path):
    agent = make_agent(checkpoint)
    save_pretrained(agent.policy, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    with torch.no_grad():
        agent.policy.network.model.transformer.wpe.weight[3] = torch.nan
    with pytest.raises(FloatingPointError, match=r"weights of network.* at step 7"):
        save_pretrained(agent.policy, tmp_path / "model", step=7)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
