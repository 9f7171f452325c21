import numpy as np
import torch

from agents.language_model.stage_measures import complete, log_ratios, measure_stage
from lm_envs.envs.base import EpisodicVectorEnv
from tests.agents.language_model.language_agents import make_agent, rows_of

LIMITS = {"max_new_tokens": 7, "prompt_tokens": 6}


def make(checkpoint) -> EpisodicVectorEnv:
    return rows_of(checkpoint, **LIMITS)


def test_log_ratios_are_those_of_teacher_forcing(checkpoint):
    env, policy = make(checkpoint), make_agent(checkpoint).policy
    with torch.no_grad():
        policy.network.model.transformer.ln_f.weight.mul_(1.1)
    texts = complete(policy, env, np.arange(20), greedy=False)
    expected = []
    for text in texts:
        tokens = torch.as_tensor(np.concatenate([text.prompt_tokens, text.tokens]))
        with torch.no_grad():
            logits = policy.network.logits(policy.network(tokens[None])[0]).log_softmax(-1)
        start = len(text.prompt_tokens)
        chosen = logits[start - 1 : -1].gather(1, tokens[start:, None])
        expected.append(chosen.sum().item() - text.logprobs.sum())
    np.testing.assert_allclose(log_ratios(policy, texts), expected, atol=1e-3)


def test_a_stage_measures_every_prompt_greedily_and_by_sampling(checkpoint):
    env, policy = make(checkpoint), make_agent(checkpoint).policy
    stage = measure_stage("base", policy, env, np.arange(10))
    assert {"reward", "drawn_reward", "kl", "base_logprob", "drawn_logprob"} < set(stage.values)
    assert {len(values) for values in stage.values.values()} == {10}
    assert len(stage.samples) == 8
