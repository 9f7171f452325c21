"""An agent that decides by one known group of its observation, and its recorded episodes."""

from functools import cache
from pathlib import Path

import torch

from agents.algorithms.factory import make_algorithm, make_evaluation_env, make_training_env
from agents.language_model.finetuning import FinetuneRun
from agents.viewing.policies import viewed_agent
from agents.viewing.recorder import record, record_with_moments
from agents.viewing.runs import ViewedRun
from lm_envs.tokenizer.chat import ChatTemplate
from tests.agents.finetune_run import small_config
from tests.agents.viewing.traces import config_for

EPISODES = 8


@cache
def log_probability_run():
    """Returns a run that takes rank 0 if its log-probability is above -1.2 nats, else rank 1.

    The policy reads nothing else, so that every other group has no effect at all.
    """
    config = config_for(rows=4, max_new_tokens=5)
    agent = make_algorithm(config, make_training_env(config), None)
    env = make_evaluation_env(config, "validation", 4)
    columns = env.single_observation_space.columns["candidate_logprobs"]
    network = agent.policy.mlp_extractor.policy_net
    with torch.no_grad():
        for parameter in [*network.parameters(), *agent.policy.action_net.parameters()]:
            parameter.zero_()
        network[0].weight[0, columns.start] = 0.1
        network[2].weight[0, 0] = 1.0
        agent.policy.action_net.weight[0, 0] = 20.0
        agent.policy.action_net.bias[1] = 20.0 * torch.tensor(-0.12).tanh().tanh()
        agent.policy.action_net.bias[2:] = -30.0
    return ViewedRun(config, agent, viewed_agent("agent", agent))


@cache
def records():
    run = log_probability_run()
    env = run.environment("validation", 4)
    return env, record_with_moments(env, run.policy, range(EPISODES))


def finetuned_episodes(folder):
    """Returns an untrained language-model policy, its tokenizer, and three episodes."""
    run = FinetuneRun(small_config("embedded"), folder)
    traces = record(run.held_out, viewed_agent("agent", run.agent), range(3))
    return run.policy, run.held_out.tokenizer, traces


def chat(tokenizer):
    """Returns the tokenizer with a chat template."""
    source = "Say: {{ messages[0].content }}{% if add_generation_prompt %} End:{% endif %}"
    return tokenizer.with_chat_template(ChatTemplate(source, {}, None, Path("here")))
