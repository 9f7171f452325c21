"""The KL penalty between environment and algorithm."""

import numpy as np
import pytest
import torch

from agents.language_model.kl_penalty import KLPenalty
from tests.agents.language_model.language_agents import ROWS, collect, make_agent, make_env


def make_penalized(checkpoint, **options):
    env = KLPenalty(make_env(checkpoint), **{"coefficient": 0.5} | options)
    agent = make_agent(checkpoint, env)
    env.set_policy(agent.policy)
    return env, agent


def stray(agent):
    with torch.no_grad():
        agent.policy.network.model.transformer.ln_f.weight.mul_(1.1)
    agent.policy.clear_cache()


def test_a_policy_equal_to_the_frozen_model_has_no_penalty(checkpoint):
    env, agent = make_penalized(checkpoint)
    agent.policy.network.tokenizer_size = (
        agent.action_space.n
    )  # the frozen model scores tokens beyond the tokenizer too
    collect(agent)
    assert abs(env.divergence) < 1e-4
    assert env.num_tokens == ROWS * agent.n_steps


def test_rewards_are_reduced_by_the_coefficient_times_the_log_ratio(checkpoint):
    env, agent = make_penalized(checkpoint)
    plain = make_env(checkpoint)  # the same rows without a penalty
    for rows in (env, plain):
        rows.reset()
    stray(agent)
    obs, _ = env.reset(), plain.reset()
    words, _ = agent.policy.predict(obs)
    chosen = agent.policy.last_log_probs.numpy()
    _, rewards, _, infos = env.step(words)
    frozen = np.array([info["logprob"] for info in infos])
    penalties = plain.step(words)[1] - rewards
    np.testing.assert_allclose(penalties, 0.5 * (chosen - frozen), atol=1e-5)
    assert env.divergence == pytest.approx((chosen - frozen).mean(), abs=1e-6)


def ascend(estimate, steps=20_000):
    """Divergence after exact gradient ascent on reward less 0.5 times an estimate as a reward.

    A softmax policy over six tokens; the expected policy gradient is computed without sampling.
    """
    frozen = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    reward = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]) * 0.9
    logits = np.log(frozen)
    for _ in range(steps):
        policy = np.exp(logits - logits.max())
        policy /= policy.sum()
        total = reward - 0.5 * estimate(policy, frozen)
        logits = logits + 0.1 * policy * (total - policy @ total)
    best = frozen * np.exp(reward / 0.5)
    best /= best.sum()
    return (policy * np.log(policy / frozen)).sum(), (best * np.log(best / frozen)).sum()


def test_the_penalty_leads_to_the_optimum_of_reward_less_divergence():
    found, best = ascend(lambda p, q: np.log(p / q))
    assert found == pytest.approx(best, rel=1e-3)


def test_the_other_estimator_would_not_and_is_refused(checkpoint):
    """Regression: with k3 as a reward the policy runs to one token, and then to NaN."""
    with np.errstate(all="ignore"):
        found, best = ascend(lambda p, q: q / p - 1.0 + np.log(p / q))
    assert not found < 3 * best
    with pytest.raises(ValueError, match=r"estimator='k3'; k3 is an estimator for a loss.*k1\."):
        make_penalized(checkpoint, estimator="k3")


@pytest.mark.parametrize(("target", "grows"), [(1e-3, True), (100.0, False)])
def test_the_coefficient_steers_to_the_target(checkpoint, target, grows):
    env, agent = make_penalized(checkpoint, target=target)
    stray(agent)
    collect(agent)
    env.adapt()
    assert env.coefficient == pytest.approx(0.5 * (1.02 if grows else 0.98))
    assert env.divergence == 0.0


def test_tokens_that_the_policy_did_not_choose_are_refused(checkpoint):
    env = KLPenalty(make_env(checkpoint), coefficient=0.1)
    env.reset()
    with pytest.raises(ValueError, match="the policy did not choose"):
        env.step(np.zeros(ROWS, np.int64))


@pytest.mark.parametrize(
    "options",
    [{"coefficient": -1.0}, {"coefficient": np.nan}, {"target": 0.0}, {"estimator": "k2"}],
)
def test_other_arguments_are_refused(checkpoint, options):
    with pytest.raises(ValueError, match="Got"):
        make_penalized(checkpoint, **options)


def test_a_restored_penalty_has_its_coefficient_and_measured_divergence(checkpoint):
    env, agent = make_penalized(checkpoint)
    stray(agent)
    collect(agent)
    state, divergence = env.get_state(), env.divergence
    assert set(state) == {"venv", "coefficient", "nats", "num_words"}  # keys of saved checkpoints
    env.adapt()
    env.coefficient = 9.0
    env.set_state(state)
    assert (env.coefficient, env.divergence) == (0.5, divergence)
