"""Minibatches of whole texts, and advantages."""

from itertools import pairwise, product

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.utils import obs_as_tensor

from agents.language_model.buffer import GROUPED, EpisodeRolloutBuffer, SharedPrompts
from agents.language_model.network import TrainableNetwork
from lm_envs.model.loading import EMBEDDED
from lm_envs.sb3 import make_language_vec_env
from tests.agents.language_model.language_agents import ROWS, STEPS, collect, make_agent, make_env

GROUP = 3
STEPS_OF_GROUPS = 40


def test_every_step_is_in_one_minibatch(checkpoint):
    buffer = collect(make_agent(checkpoint))
    returns = np.concatenate([batch.returns.numpy() for batch in buffer.get(20)])
    np.testing.assert_allclose(np.sort(returns), np.sort(buffer.returns.ravel()))


def test_loss_and_gradient_are_those_of_single_transitions(checkpoint):
    agent = make_agent(
        checkpoint, batch_size=ROWS * STEPS, normalize_advantage=False, learning_rate=0.0
    )
    episodes = collect(agent)
    single = DictRolloutBuffer(
        STEPS, agent.observation_space, agent.action_space, "cpu", 0.95, 0.99, ROWS
    )
    for name in ("actions", "rewards", "returns", "episode_starts", "values"):
        getattr(single, name)[...] = getattr(episodes, name)
    single.log_probs[...], single.advantages[...] = episodes.log_probs, episodes.advantages
    for name, values in episodes.observations.items():
        single.observations[name][...] = values
    single.full = True
    agent.policy.double()
    gradients = []
    for buffer in (episodes, single):
        agent.policy.optimizer = torch.optim.SGD(agent.policy.parameters(), lr=0.0)
        agent.rollout_buffer, agent.max_grad_norm = buffer, 1e9
        agent.train()
        gradients.append([p.grad.clone() for p in agent.policy.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert max(gradient.abs().max() for gradient in gradients[0]) > 1e-3


def test_padded_minibatches_have_sizes_that_repeat_and_the_same_gradient(checkpoint):
    """As on a GPU; the texts of padding are read, and no step refers to them."""
    agent = make_agent(checkpoint, batch_size=30, normalize_advantage=False, learning_rate=0.0)
    buffer, gradients, shapes = collect(agent), [], []
    agent.rollout_buffer, agent.max_grad_norm = buffer, 1e9
    agent.policy.optimizer = torch.optim.SGD(agent.policy.parameters(), lr=0.0)
    for buffer.pads in (False, True):
        np.random.seed(0)
        shapes.append([tuple(batch.observations["tokens"].shape) for batch in buffer.get(30)])
        np.random.seed(0)
        agent.train()
        gradients.append([p.grad.clone() for p in agent.policy.parameters()])
    width = buffer.observations["tokens"].shape[-1]
    assert all(texts % 4 == 0 and size % 32 in (0, width % 32) for texts, size in shapes[1])
    assert shapes[1] != shapes[0]
    for plain, padded in zip(*gradients, strict=True):
        torch.testing.assert_close(padded, plain, rtol=0, atol=1e-6)
    assert max(gradient.abs().max() for gradient in gradients[0]) > 1e-3


def test_advantages_are_those_of_stable_baselines3(checkpoint):
    agent = make_agent(checkpoint)
    ours = collect(agent)
    theirs = DictRolloutBuffer(
        STEPS, agent.observation_space, agent.action_space, "cpu", ours.gae_lambda, ours.gamma, ROWS
    )
    for name in ("rewards", "episode_starts", "values"):
        getattr(theirs, name)[...] = getattr(ours, name)
    last = agent.policy.predict_values(obs_as_tensor(agent._last_obs, "cpu")).detach()
    theirs.compute_returns_and_advantage(last, agent._last_episode_starts)
    np.testing.assert_array_equal(ours.advantages, theirs.advantages)


def grouped_rollout(advantage):
    """A rollout of two groups of three rows, and which rows end with it."""
    spaces = {"actions": "vocabulary", "observation": "tokens", "rewards": {"fluency": 1.0}}
    env = make_language_vec_env(
        "lm_envs/QuestionAnswering-v0", n_envs=ROWS, seed=0, group_size=GROUP, **spaces
    )
    compared = {"advantage": advantage}
    agent = make_agent(EMBEDDED, env, rollout_buffer_kwargs=compared, n_steps=STEPS_OF_GROUPS)
    return collect(agent), agent._last_episode_starts


def episodes_by_group(buffer):
    """First step and end of each row's episodes, finished within the rollout, by group and number.

    The last one of a row counts as cut off: whether it ended with the rollout isn't in the buffer.
    """
    found = {}
    for row in range(ROWS):
        starts = np.flatnonzero(buffer.episode_starts[:, row])
        for number, (start, end) in enumerate(pairwise(starts.tolist())):
            found.setdefault((row // GROUP, number), []).append((row, start, end))
    return found


@pytest.mark.parametrize("advantage", GROUPED)
def test_every_step_of_a_complete_group_has_an_advantage(advantage):
    """Regression: rows drew their own prompts, and 91 to 100 % of the steps had advantage 0."""
    buffer, _ = grouped_rollout(advantage)
    groups = [each for each in episodes_by_group(buffer).values() if len(each) == GROUP]
    assert len(groups) >= 4
    sizes = {end - start for group in groups for _, start, end in group}
    assert len(sizes) > 1  # rows of one group end at different times
    num_compared = 0
    for group in groups:
        prompts = {buffer.observations["tokens"][start, row].tobytes() for row, start, _ in group}
        assert len(prompts) == 1
        values = [buffer.rewards[start:end, row].sum() for row, start, end in group]
        advantages = [buffer.advantages[start:end, row] for row, start, end in group]
        assert all(np.ptp(each) == 0 for each in advantages)
        if np.ptp(values) > 0:
            num_compared += 1
            assert all(each.all() for each in advantages)
            assert advantages[np.argmax(values)][0] > 0 > advantages[np.argmin(values)][0]
    assert num_compared >= 4


@pytest.mark.parametrize("advantage", GROUPED)
def test_texts_cut_off_by_the_end_of_a_rollout_are_in_no_minibatch(advantage):
    """Regression: the normalization of advantages gave their zeros a value."""
    buffer, is_finished = grouped_rollout(advantage)
    num_cut = 0
    for row in np.flatnonzero(~is_finished.astype(bool)):
        start = np.flatnonzero(buffer.episode_starts[:, row])[-1]
        assert not buffer.advantages[start:, row].any()
        num_cut += STEPS_OF_GROUPS - start
    assert num_cut > 0
    num_sampled = sum(len(batch.advantages) for batch in buffer.get(20))
    assert (buffer.advantages != 0).sum() <= num_sampled <= buffer.advantages.size - num_cut


def test_a_rollout_without_a_finished_pair_teaches_nothing(checkpoint):
    env = make_env(checkpoint, group_size=GROUP)
    agent = make_agent(checkpoint, env, rollout_buffer_kwargs={"advantage": "rloo"}, n_steps=2)
    with pytest.warns(UserWarning, match=r"No prompt of this rollout has two .* raise n_steps"):
        buffer = collect(agent)
    batches = list(buffer.get(4))
    assert batches
    assert not any(batch.advantages.any() for batch in batches)


def test_a_text_longer_than_a_whole_rollout_is_left_out():
    """Regression: a row without a first step in the rollout stopped the run with an error."""
    shown = gym.spaces.Dict(
        tokens=gym.spaces.Box(0, 9, (3,), np.int64), length=gym.spaces.Box(1, 3, (1,))
    )
    buffer = EpisodeRolloutBuffer(
        2, shown, gym.spaces.Discrete(3), "cpu", n_envs=3, advantage="rloo"
    )
    for step in range(2):
        lengths = np.full((3, 1), step + 1)
        observation = {"tokens": np.ones((3, 3), np.int64), "length": lengths}
        starts = np.array([step == 0, step == 0, False])  # the last row's text began before
        rewards = np.array([1.0, 0.0, 5.0])
        buffer.add(observation, np.zeros(3), rewards, starts, torch.zeros(3), torch.zeros(3))
    buffer.compute_returns_and_advantage(torch.zeros(3), np.ones(3, bool))
    np.testing.assert_array_equal(buffer.advantages, [[2.0, -2.0, 0.0]] * 2)
    assert sum(len(batch.advantages) for batch in buffer.get(2)) == 4


REWARDS = np.array([0.0, 0.3, 1.0])
"""Of the three actions of a bandit."""


def expected_gradient(advantage, logits, group):
    """Gradient (3,) of a policy's logits, in expectation over all groups of actions: exact."""
    policy = np.exp(logits) / np.exp(logits).sum()
    total = np.zeros(3)
    for actions in product(range(3), repeat=group):
        buffer = bandit_rollout(advantage, actions)
        share = policy[list(actions)].prod() / group
        for row, action in enumerate(actions):
            total += share * buffer.advantages[0, row] * (np.eye(3)[action] - policy)
    return total


def bandit_rollout(advantage, actions):
    """One step of a row for each action, all of one prompt; each ends its episode."""
    spaces = gym.spaces
    shown = spaces.Dict(tokens=spaces.Box(0, 9, (2,), np.int64), length=spaces.Box(1, 2, (1,)))
    size = len(actions)
    buffer = EpisodeRolloutBuffer(
        1, shown, spaces.Discrete(3), "cpu", n_envs=size, advantage=advantage
    )
    observation = {"tokens": np.ones((size, 2), np.int64), "length": np.ones((size, 1))}
    zeros, chosen = torch.zeros(size), np.array(actions)
    buffer.add(observation, chosen, REWARDS[chosen], np.ones(size), zeros, zeros)
    buffer.compute_returns_and_advantage(zeros, np.ones(size, bool))
    return buffer


@pytest.mark.parametrize("group", [2, 3])
@pytest.mark.parametrize("logits", [(0.0, 0.0, 0.0), (2.0, 0.0, -1.0)])
def test_the_expected_gradient_of_groups_is_exact_on_a_bandit(group, logits):
    """Leave one out: that of the expected reward. Divided by the deviation: it raises it too."""
    logits = np.array(logits)
    policy = np.exp(logits) / np.exp(logits).sum()
    exact = policy * (REWARDS - policy @ REWARDS)
    found = expected_gradient("rloo", logits, group)
    np.testing.assert_allclose(found, exact, atol=1e-6)
    assert expected_gradient("group", logits, group) @ exact > 0.1 * exact @ exact


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": "top_k"}, "Got Discrete.16. .* actions='vocabulary'"),
        ({"actions": "embedding"}, "actions='vocabulary' and observation='tokens'"),
        ({"observation": "hidden"}, "actions='vocabulary' and observation='tokens'"),
        ({"model": "embedded"}, "which has 275 tokens; .* the same model"),
    ],
)
def test_other_spaces_are_refused(checkpoint, options, message):
    with pytest.raises(ValueError, match=message):
        make_agent(checkpoint, make_env(checkpoint, **options))


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
    together = network(shared.tokens, **shared.layout)
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
