"""Agents without training, the traces of their episodes, and texts that attack the reader."""

from dataclasses import replace
from functools import cache

from agents.algorithms.factory import make_algorithm, make_evaluation_env, make_training_env
from agents.viewing.policies import viewed_agent
from agents.viewing.recorder import record
from agents.viewing.trace import Candidate
from tests.agents.finished_run import CONFIG, changed

HOSTILE = "\x1b]8;;http://x\x07\x9b2J\u202e\r<script>alert(1)</script>[red]x[/red]"
"""Escape sequences, a link of OSC 8, a bidirectional mark, HTML and markup of `rich`."""


def config_for(env_id="lm_envs/NextWord-v0", algorithm="PPO", rows=2, policy=None, **kwargs):
    env = {"id": env_id, "n_envs": rows, "kwargs": kwargs}
    named = {"name": algorithm, "policy": policy, "kwargs": {}}
    if algorithm in ("DQN", "QRDQN"):
        named["kwargs"] = {"buffer_size": 100}
    return changed(
        env=CONFIG.env.model_validate(env), algorithm=CONFIG.algorithm.model_validate(named)
    )


@cache
def make_traces(count=2, **kwargs):
    """Returns traces of an untrained PPO agent; they are values, so that tests share them."""
    policy, env = make_agent(config_for(**{"max_new_tokens": 4, **kwargs}))
    return record(env, policy, list(range(count)))


def make_agent(config, rows=2):
    """Returns an untrained viewed agent and an evaluation environment."""
    agent = make_algorithm(config, make_training_env(config), None)
    return viewed_agent("agent", agent), make_evaluation_env(config, "validation", rows)


def make_hostile(trace):
    """Returns the trace with hostile text in every place that shows text."""
    candidates = tuple(Candidate(HOSTILE, -1.0, 0.5) for _ in range(3))
    step = replace(
        trace.steps[0],
        candidates=candidates,
        chosen=1,
        first=0,
        written=HOSTILE,
        action=HOSTILE,
        reply=HOSTILE,
    )
    transcript = replace(trace.transcript, prompt=HOSTILE, reference=HOSTILE)
    return replace(trace, steps=(step, *trace.steps[1:]), transcript=transcript)
