"""Candidates copied from the prompt, beside the model's most likely next tokens."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3.common.env_checker import check_env as sb3_check

import lm_envs
from lm_envs.envs.actions.pointer import NO_TOKEN, Pointer

gym.register_envs(lm_envs)
K, COPIES = 4, 3
ACTIONS = {"kind": "top_k", "k": K, "copies": COPIES}


def make(env_id="lm_envs/NextWord-v0", num_envs=5, actions=ACTIONS, **options):
    mode = options.pop("autoreset_mode", "disabled")
    env = gym.make_vec(env_id, num_envs=num_envs, autoreset_mode=mode, actions=actions, **options)
    return env.unwrapped


def make_copying(checkpoint, num_envs=5, **options):
    made = {"model": str(checkpoint), "prompt_tokens": 12, "max_new_tokens": 6}
    return make(num_envs=num_envs, **made | options)


def random_steps(env, steps=5):
    """Writes random candidates; rows that are over start again. Yields after each step."""
    env.reset(seed=3)
    rng = np.random.default_rng(0)
    yield
    for _ in range(steps):
        env.step(rng.integers(0, K, env.num_envs))
        if env.is_over.any():
            env.reset(options={"reset_mask": env.is_over})
        yield


@torch.no_grad()
def reference_outputs(reference_model, context):
    """Returns hidden states and log-probabilities after each token, by transformers."""
    outputs = reference_model(torch.tensor(context)[None], output_hidden_states=True)
    return outputs.hidden_states[-1][0].numpy(), outputs.logits[0, :, :275].log_softmax(-1).numpy()


def shares_by_definition(states, prompt, vocabulary):
    """Returns the weight (V,) of each token of a prompt (P,), from hidden states (T, D)."""
    centered = states - states[: len(prompt)].mean(0)
    directions = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    weights = np.exp(12.0 * directions[: len(prompt) - 1] @ directions[-1])
    shares = np.zeros(vocabulary)
    for token, weight in zip(prompt[1:], weights / weights.sum(), strict=True):
        shares[token] += weight
    return shares


def test_candidates_are_the_most_likely_tokens_and_those_with_the_largest_shares(
    reference_model, checkpoint
):
    env = make_copying(checkpoint)
    for _ in random_steps(env):
        outputs, shown = env.outputs, env.actions.copied.shares
        for row, context in enumerate(env.episodes.contexts_of(np.arange(5))):
            prompt = env.episodes.prompt_ids[row]
            states, logprobs = reference_outputs(reference_model, context)
            shares = shares_by_definition(states, prompt, 275)
            end = env.tokenizer.end_token
            best = [int(t) for t in (-logprobs[-1]).argsort() if t != end][: K - 1]
            first = {end, *best}
            pointed = sorted(set(prompt[1:].tolist()) - first, key=lambda token: -shares[token])
            found = outputs.candidates[row].tolist()
            assert set(found) == first | set(pointed[:COPIES])
            np.testing.assert_allclose(outputs.logprobs[row], logprobs[-1][found], atol=1e-4)
            np.testing.assert_allclose(shown[row], shares[found], atol=1e-4)


def test_candidates_are_distinct_and_ordered_by_likelihood(checkpoint):
    env = make_copying(checkpoint)
    for _ in random_steps(env):
        assert (np.diff(env.outputs.logprobs, axis=1) <= 0).all()
        assert all(len(set(row.tolist())) == K + COPIES for row in env.outputs.candidates)
        assert (env.outputs.candidates == env.tokenizer.end_token).any(1).all()


def test_a_short_prompt_leaves_places_to_the_next_most_likely_tokens(checkpoint):
    env, plain = (
        make_copying(checkpoint, 1, actions=a) for a in (ACTIONS, {"kind": "top_k", "k": 7})
    )
    for one in (env, plain):
        one.reset(seed=0, options={"prompt": "a"})
    assert env.outputs.candidates.tolist() == plain.outputs.candidates.tolist()
    np.testing.assert_array_equal(env.outputs.logprobs, plain.outputs.logprobs)
    assert not env.actions.copied.shares.any()


def test_a_rows_shares_do_not_depend_on_other_rows(checkpoint):
    batch = make_copying(checkpoint, 6)
    batch.reset(seed=3)
    tokens, shares = Pointer(batch.engine, batch.episodes).shares()
    for row in range(6):
        single = make_copying(checkpoint, 1)
        single.reset(seed=3 + row)
        own, alone = Pointer(single.engine, single.episodes).shares()
        count = own.shape[1]
        assert tokens[row, :count].tolist() == own[0].tolist()
        assert (tokens[row, count:] == NO_TOKEN).all()
        assert shares[row, :count].tolist() == alone[0].tolist()
        assert alone.sum() == pytest.approx(1.0, abs=1e-6)


def test_prompts_are_read_once_for_their_slots_and_once_for_the_pointer(checkpoint):
    env = make_copying(
        checkpoint, prompt_cache=7
    )  # a cache of its own: others have read prompts too
    read = []
    for _ in range(3):
        before = env.engine.num_forward_tokens
        env.reset(seed=7)
        assert len(env.outputs.candidates) == 5
        read.append(env.engine.num_forward_tokens - before)
    texts = {tuple(text) for text in env.episodes.prompt_ids}
    assert read == [2 * sum(map(len, texts)), 0, 0]


def test_no_share_exceeds_1():
    """Regression: the weights of a prompt that repeats one token were rounded to over 1."""
    env = make(num_envs=1, observation="candidates", prompt_tokens=64)
    for count in range(2, 60):
        observation, _ = env.reset(options={"prompt": " Tun" * count})
        assert env.observation_space.contains(observation)


def test_every_answer_in_the_context_can_be_written():
    actions = {"kind": "top_k", "k": 2, "copies": 32}
    own = {"mode": "extractive", "split": "test", "autoreset_mode": "same_step"}
    env = make("lm_envs/QuestionAnswering-v0", 32, actions, **own)
    env.reset(seed=0)
    exact = []
    while len(exact) < 64:
        *_, infos = env.step(env.oracle_actions())
        if "final_info" in infos:
            scores = infos["final_info"]["scores"]["exact_match"]
            exact += scores[infos["_final_info"]].tolist()
    assert exact == [1.0] * len(exact)


def test_a_restored_state_has_the_same_candidates(checkpoint):
    env = make_copying(checkpoint, observation="candidates")
    env.reset(seed=1)
    observations, *_ = env.step(np.full(5, 2))
    state = env.get_state()
    other = make_copying(checkpoint, observation="candidates")
    other.reset(seed=9)
    other.set_state(state)
    np.testing.assert_array_equal(other.observe(), observations)
    np.testing.assert_array_equal(other.outputs.candidates, env.outputs.candidates)


@pytest.mark.parametrize("observation", ["hidden", "candidates", "embeddings", "tokens"])
@pytest.mark.parametrize("check", [gymnasium_check, sb3_check])
@pytest.mark.filterwarnings("error", "ignore:No font has")
def test_checkers_find_nothing(observation, check):
    check(gym.make("lm_envs/Paraphrase-v0", actions=ACTIONS, observation=observation).unwrapped)


@pytest.mark.parametrize("copies", [-1, 1.5, True, "8"])
def test_a_wrong_number_of_copies_is_refused(copies):
    with pytest.raises((ValueError, TypeError), match="copies"):
        make(actions={"kind": "top_k", "copies": copies})


def test_a_vocabulary_smaller_than_the_candidates_is_refused(checkpoint):
    with pytest.raises(ValueError, match="vocabulary, 275"):
        make_copying(checkpoint, actions={"kind": "top_k", "k": 600, "copies": 200})
