"""Texts of one prompt in one sequence."""

import numpy as np
import pytest
import torch

from agents.language_model.buffer import GROUPED
from agents.language_model.network import TrainableNetwork
from agents.language_model.shared_prompts import SharedPrompts
from tests.agents.language_model.language_agents import collect, make_agent, make_env

TEXTS = [([5, 6, 7], [8, 9]), ([5, 6, 7], []), ([4, 3], [2, 2, 2]), ([5, 6, 7], [8, 1, 1])]


def padded():
    """Texts (E, T), and their lengths and prompts (E,)."""
    tokens = torch.zeros(len(TEXTS), 6, dtype=torch.int64)
    for row, (prompt, rest) in zip(tokens, TEXTS, strict=True):
        row[: len(prompt) + len(rest)] = torch.tensor(prompt + rest)
    prompts = torch.tensor([len(prompt) for prompt, _ in TEXTS])
    return tokens, prompts + torch.tensor([len(rest) for _, rest in TEXTS]), prompts


def test_a_prompt_is_in_one_sequence_with_all_its_texts():
    shared = SharedPrompts.from_texts(*padded())
    assert shared.tokens.tolist() == [[5, 6, 7, 8, 9, 8, 1, 1], [4, 3, 2, 2, 2, 0, 0, 0]]
    assert shared.positions.tolist()[0] == [0, 1, 2, 3, 4, 3, 4, 5]


def test_a_token_sees_its_prompt_and_its_own_text_only():
    visible = SharedPrompts.from_texts(*padded()).is_visible[0, 0]
    assert visible[4].nonzero().flatten().tolist() == [0, 1, 2, 3, 4]
    assert visible[6].nonzero().flatten().tolist() == [0, 1, 2, 5, 6]


@pytest.mark.parametrize("kind", ["checkpoint", "llama_checkpoint"])
def test_hidden_states_are_those_of_texts_of_their_own(kind, request):
    network = TrainableNetwork(request.getfixturevalue(kind), 20).double()
    tokens, lengths, prompts = padded()
    shared = SharedPrompts.from_texts(tokens, lengths, prompts)
    texts = torch.repeat_interleave(torch.arange(len(TEXTS)), lengths)
    positions = torch.cat([torch.arange(length) for length in lengths.tolist()])
    together = network(shared.tokens, shared.positions, shared.is_visible)
    alone = network(tokens)[texts, positions]
    np.testing.assert_allclose(
        together[shared.places(texts, positions)].detach(), alone.detach(), atol=1e-12
    )


@pytest.mark.parametrize("advantage", GROUPED)
def test_ratios_of_groups_are_one_before_the_update(advantage, checkpoint):
    env = make_env(checkpoint, group_size=3)
    agent = make_agent(checkpoint, env, rollout_buffer_kwargs={"advantage": advantage}, n_steps=24)
    for batch in collect(agent).get(40):
        _, logprobs, _ = agent.policy.evaluate_actions(batch.observations, batch.actions.flatten())
        np.testing.assert_allclose(logprobs.detach(), batch.old_log_prob, atol=1e-5)
