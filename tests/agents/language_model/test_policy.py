"""GPT-2 as the policy of Stable-Baselines3's own PPO."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.utils import obs_as_tensor
from torch.utils._python_dispatch import TorchDispatchMode

from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.incremental_decoder import sample_tokens
from agents.language_model.nlpo_mask import NLPOMaskSpec
from agents.language_model.policy import LanguageModelPolicy
from lm_envs.model.logits import top_k_top_p_mask
from lm_envs.sb3 import make_language_vec_env

ROWS, STEPS = 6, 10


def make_env(checkpoint, **options):
    return make_language_vec_env(
        "lm_envs/NextWord-v0",
        n_envs=ROWS,
        seed=0,
        **{
            "model": str(checkpoint),
            "actions": "vocabulary",
            "observation": "tokens",
            "max_new_tokens": 7,
            "prompt_tokens": 6,
        }
        | options,
    )


def make_agent(checkpoint, env=None, buffer=EpisodeRolloutBuffer, **options):
    settings = {"n_steps": STEPS, "batch_size": 20, "n_epochs": 1, "seed": 0, "device": "cpu"}
    settings["policy_kwargs"] = {"model": str(checkpoint)}
    return PPO(
        LanguageModelPolicy,
        env or make_env(checkpoint),
        rollout_buffer_class=buffer,
        **settings | options,
    )


def collect(agent):
    """Fills the agent's buffer with one rollout, and does not learn from it."""
    agent._total_timesteps = 10**6
    _, callback = agent._setup_learn(10**6, None)
    agent.collect_rollouts(agent.env, callback, agent.rollout_buffer, agent.n_steps)
    return agent.rollout_buffer


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that was made."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return result


def test_the_first_ratio_after_each_rollout_is_one(checkpoint):
    agent = make_agent(checkpoint)
    for _ in range(3):
        buffer = collect(agent)
        for batch in buffer.get(25):
            _, logprobs, _ = agent.policy.evaluate_actions(
                batch.observations, batch.actions.long().flatten()
            )
            ratio = torch.exp(logprobs - batch.old_log_prob)
            np.testing.assert_allclose(ratio.detach(), 1.0, atol=1e-5)
        agent.train()


@pytest.mark.parametrize("mask", [NLPOMaskSpec(top_k=5, every=2), NLPOMaskSpec(top_p=0.5, every=2)])
def test_only_words_that_an_older_copy_holds_likely_are_written(checkpoint, mask):
    """The masked log-probabilities are those of the update; the third rollout has a new copy."""
    agent = make_agent(
        checkpoint, policy_kwargs={"model": str(checkpoint), "mask": mask}, learning_rate=1e-3
    )
    for rollout in range(3):
        buffer = collect(agent)
        network, copy = agent.policy.network, agent.policy.masker.copy
        is_new = torch.equal(
            network.model.transformer.wpe.weight, copy.model.transformer.wpe.weight
        )
        assert is_new == (rollout != 1)
        for batch in buffer.get(25):
            seen, words = batch.observations, batch.actions.long().flatten()
            _, logprobs, entropies = agent.policy.evaluate_actions(seen, words)
            np.testing.assert_allclose(logprobs.detach(), batch.old_log_prob, atol=1e-5)
            steps = seen["episode"].long(), seen["position"].long() - 1
            with torch.no_grad():
                tokens = seen["tokens"].long()
                expected = network.logits(network(tokens)[steps])
                likely = top_k_top_p_mask(copy.logits(copy(tokens)[steps]), mask.top_k, mask.top_p)
            assert likely[torch.arange(len(words)), words].all()
            expected = torch.distributions.Categorical(logits=expected.where(likely, -torch.inf))
            np.testing.assert_allclose(logprobs.detach(), expected.log_prob(words), atol=1e-5)
            np.testing.assert_allclose(entropies.detach(), expected.entropy(), atol=1e-5)
        agent.train()


def test_masked_gradients_are_those_of_autograd(checkpoint):
    network = make_agent(checkpoint).policy.network.double()
    hidden = torch.randn(7, network.hidden_size, dtype=torch.double, requires_grad=True)
    words = torch.arange(7)
    likely = torch.rand(7, network.tokenizer_size) < 0.1
    likely[torch.arange(7), words] = True
    upstream = torch.randn(2, 7, dtype=torch.double)
    found = torch.stack(
        network.logprobs_and_entropy(hidden, words, lambda rows: likely[rows].clone())
    )
    (ours,) = torch.autograd.grad(found, hidden, upstream)
    logits = network.logits(hidden)[:, : network.tokenizer_size].where(likely, -1e6)
    plain = torch.distributions.Categorical(logits=logits)
    expected = torch.stack([plain.log_prob(words), plain.entropy()])
    (theirs,) = torch.autograd.grad(expected, hidden, upstream)
    np.testing.assert_allclose(found.detach(), expected.detach(), atol=1e-12)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_greedy_words_are_among_those_kept(checkpoint):
    """One word is kept, so it is chosen whatever the policy prefers."""
    agent = make_agent(
        checkpoint, policy_kwargs={"model": str(checkpoint), "mask": NLPOMaskSpec(top_k=1)}
    )
    seen = agent.env.reset()
    before = agent.predict(seen, deterministic=True)[0]
    with torch.no_grad():
        agent.policy.network.model.transformer.wte.weight.neg_()
    agent.policy.clear_cache()
    np.testing.assert_array_equal(agent.predict(seen, deterministic=True)[0], before)
    np.testing.assert_array_equal(agent.predict(seen)[0], before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "without top_k and top_p"),
        ({"top_k": 0}, "Got top_k=0"),
        ({"top_p": 1.5}, "Got top_p=1.5; allowed: between 0 and 1"),
        ({"top_k": 3, "every": 0}, "Got every=0"),
    ],
)
def test_a_mask_that_masks_nothing_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NLPOMaskSpec(**options)


def test_values_of_the_rollout_are_those_of_the_update(checkpoint):
    agent = make_agent(checkpoint)
    torch.nn.init.normal_(agent.policy.value_net.weight)
    agent.policy.clear_cache()
    for batch in collect(agent).get():
        values, _, _ = agent.policy.evaluate_actions(batch.observations, batch.actions.flatten())
        np.testing.assert_allclose(values.detach()[:, 0], batch.old_values, atol=2e-5)


def test_every_step_is_given_out_once(checkpoint):
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


def test_judgements_have_the_gradient_of_the_plain_computation(checkpoint, monkeypatch):
    monkeypatch.setattr("agents.language_model.network.LOGITS_PER_CHUNK", 5 * 700)
    network = make_agent(checkpoint, policy_kwargs={"model": str(checkpoint), "temperature": 0.7})
    network = network.policy.network.double()
    hidden = torch.randn(13, network.hidden_size, dtype=torch.float64, requires_grad=True)
    words = torch.randint(network.tokenizer_size, (13,))
    weights = torch.randn(2, 13, dtype=torch.float64)
    inputs = hidden, network.model.transformer.wte.weight
    logprobs = network.logits(hidden)[:, : network.tokenizer_size].log_softmax(-1)
    plain = logprobs.gather(1, words[:, None])[:, 0], -(logprobs.exp() * logprobs).sum(-1)
    for ours, theirs in zip(network.logprobs_and_entropy(hidden, words), plain, strict=True):
        torch.testing.assert_close(ours, theirs)
    gradients = [
        torch.autograd.grad((weights * torch.stack(judged)).sum(), inputs)
        for judged in (network.logprobs_and_entropy(hidden, words), plain)
    ]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)
        assert ours.abs().max() > 1e-3


def test_each_token_of_a_rollout_is_read_once(checkpoint):
    agent = make_agent(checkpoint)
    buffer = collect(agent)
    reader = agent.policy.decoder.reader(ROWS, buffer.observations["tokens"].shape[-1])
    episodes = int(buffer.episode_starts.sum()) + int(agent._last_episode_starts.sum())
    assert reader.num_prefilled == episodes
    assert reader.num_appended == ROWS * (STEPS + 1) - episodes


def test_no_tensor_holds_the_logits_of_a_rollout(checkpoint, monkeypatch):
    monkeypatch.setattr("agents.language_model.network.LOGITS_PER_CHUNK", 5 * 700)
    agent = make_agent(checkpoint, batch_size=ROWS * STEPS)
    collect(agent)
    parameters = max(parameter.numel() for parameter in agent.policy.parameters())
    with Largest() as largest:
        agent.train()
    assert largest.numel == parameters
    assert parameters < ROWS * STEPS * 700 * 2


def test_texts_that_do_not_continue_are_read_afresh(checkpoint):
    policy = make_agent(checkpoint).policy
    rng = np.random.default_rng(0)
    tokens, lengths = rng.integers(1, 300, (ROWS, 13)), rng.integers(1, 6, ROWS)
    for _ in range(40):
        chance = rng.random(ROWS)
        for row in range(ROWS):
            if chance[row] < 0.2 or lengths[row] == 13:
                tokens[row], lengths[row] = rng.integers(1, 300, 13), rng.integers(1, 6)
            elif chance[row] < 0.9:
                lengths[row] += 1
        shown = np.where(np.arange(13) < lengths[:, None], tokens, 0)
        obs = obs_as_tensor({"tokens": shown, "length": lengths[:, None].copy()}, "cpu")
        with torch.no_grad():
            expected = policy.network(obs["tokens"])[torch.arange(ROWS), lengths - 1]
            np.testing.assert_allclose(policy.hidden_states(obs), expected, atol=2e-5)


def test_a_value_asked_in_between_disturbs_nothing(checkpoint):
    logprobs = []
    for is_disturbed in (False, True):
        agent = make_agent(checkpoint)
        obs = agent.env.reset()
        for _ in range(4):
            tensors = obs_as_tensor(obs, "cpu")
            with torch.no_grad():
                if is_disturbed:
                    one = {name: value[:1] for name, value in tensors.items()}
                    agent.policy.predict_values(one)
                words, _, logprob = agent.policy(tensors, deterministic=True)
            obs = agent.env.step(words.numpy())[0]
        logprobs.append(logprob)
    np.testing.assert_array_equal(*logprobs)


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


def test_groups_compare_episodes_of_one_prompt(checkpoint):
    agent = make_agent(checkpoint, rollout_buffer_kwargs={"advantage": "group"})
    agent.env.set_options([{"index": 3}] * ROWS)
    buffer = collect(agent)
    first = {}
    for row in range(ROWS):
        end = int(np.flatnonzero([*buffer.episode_starts[1:, row], 1])[0]) + 1
        first[row] = (buffer.rewards[:end, row].sum(), buffer.advantages[0, row])
        assert np.ptp(buffer.advantages[:end, row]) == 0
    order = [row for row, _ in sorted(first.items(), key=lambda item: item[1][0])]
    advantages = [first[row][1] for row in order]
    assert advantages == sorted(advantages)
    assert advantages[0] < 0 < advantages[-1]


def test_words_without_a_name_are_never_chosen(checkpoint):
    policy = make_agent(checkpoint).policy
    logits = policy.network.logits(torch.randn(50, policy.network.hidden_size))
    assert torch.isinf(logits[:, len(policy.tokenizer) :]).all()
    _, entropy = policy.network.logprobs_and_entropy(
        torch.randn(50, policy.network.hidden_size), torch.zeros(50).long()
    )
    assert torch.isfinite(entropy).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": "top_k"}, "Got Discrete.16. .* actions='vocabulary'"),
        ({"actions": "embedding"}, "actions='vocabulary' and observation='tokens'"),
        ({"observation": "hidden"}, "actions='vocabulary' and observation='tokens'"),
        ({"model": "embedded"}, "which has 700 tokens; .* the same model"),
    ],
)
def test_other_spaces_are_refused(checkpoint, options, message):
    with pytest.raises(ValueError, match=message):
        make_agent(checkpoint, make_env(checkpoint, **options))


def test_ratios_are_one_over_several_turns_too():
    """A customer's answer replaces the text that the policy reads."""
    env = make_language_vec_env(
        "lm_envs/Dialogue-v0",
        n_envs=3,
        seed=0,
        actions="vocabulary",
        observation="tokens",
        max_new_tokens=40,
    )
    agent = PPO(
        LanguageModelPolicy,
        env,
        rollout_buffer_class=EpisodeRolloutBuffer,
        policy_kwargs={"temperature": 0.3},
        n_steps=48,
        batch_size=60,
        seed=0,
        device="cpu",
    )
    buffer = collect(agent)
    turns = [text.count("\n") for text in (t.text for t in env.vector_env.transcripts)]
    assert max(turns) > 0
    for batch in buffer.get(60):
        _, logprobs, _ = agent.policy.evaluate_actions(
            batch.observations, batch.actions.long().flatten()
        )
        ratio = torch.exp(logprobs - batch.old_log_prob)
        np.testing.assert_allclose(ratio.detach(), 1.0, atol=2e-4)


def test_words_are_drawn_by_their_probability():
    logits = torch.tensor([[0.0, -torch.inf, 2.0, 1.0]]).expand(20_000, -1)
    torch.manual_seed(0)
    shares = torch.bincount(sample_tokens(logits), minlength=4) / len(logits)
    torch.testing.assert_close(shares, logits[0].softmax(-1), atol=0.015, rtol=0.0)
    assert shares[1] == 0.0
