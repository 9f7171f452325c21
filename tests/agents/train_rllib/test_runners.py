"""RLlib's PPO over two runners: one is killed, weights go in and out."""

import os
import signal
import time

import numpy as np
import pytest
import torch

from agents.algorithms.factory import make_algorithm, make_training_env
from tests.agents.train_rllib.rllib_run import REASON, SMALL

pytest.importorskip("ray.rllib", reason=REASON)

from agents.train_rllib.cluster import connected
from agents.train_rllib.runners import Runners

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SECONDS = 600


@pytest.fixture(scope="module")
def runners():
    with connected(2, None):
        made = Runners(SMALL, 2)
        yield made
        made.close()


def remote(runners, function):
    """Results of a function of each runner, by process id."""
    group = runners.algorithm.env_runner_group
    pairs = group.foreach_env_runner(
        lambda runner: (os.getpid(), function(runner)), local_env_runner=False
    )
    return dict(pairs)


def weights(runner):
    return {name: np.asarray(value) for name, value in runner.module.state_dict().items()}


def assert_weights(runners, expected):
    for found in remote(runners, weights).values():
        for name, value in expected.items():
            np.testing.assert_array_equal(found[f"policy.{name}"], value.numpy())


def test_the_first_batch_after_a_restore_is_of_the_restored_weights(runners):
    agent = make_algorithm(SMALL, make_training_env(SMALL), None)
    with torch.no_grad():
        agent.policy.action_net.bias.fill_(0.25)
    restored = {name: t.clone() for name, t in agent.policy.state_dict().items()}
    runners.set_parameters({"policy": restored, "moments": {}})
    assert_weights(runners, restored)
    iteration = runners.train()
    assert iteration.steps >= 64
    changed = runners.parameters()["policy"]
    assert not torch.equal(changed["action_net.bias"], restored["action_net.bias"])
    assert_weights(runners, changed)


def test_each_runner_begins_its_own_prompts(runners):
    def prompts(runner):
        return [transcript.prompt for transcript in runner.env.unwrapped.transcripts]

    one, other = remote(runners, prompts).values()
    assert not set(one) & set(other)


def test_the_optimizer_goes_out_and_in(runners):
    state = runners.parameters()
    runners.train()
    later = runners.parameters()
    assert later["moments"][0]["step"] > state["moments"][0]["step"]
    runners.set_parameters(state)
    found = runners.parameters()["moments"]
    torch.testing.assert_close(found[0]["exp_avg"], state["moments"][0]["exp_avg"])


def test_a_killed_runner_is_replaced_by_one_with_the_trained_weights(runners):
    before = set(remote(runners, lambda runner: None))
    assert len(before) == 2
    killed = before.pop()
    os.kill(killed, signal.SIGKILL)
    end, steps = time.monotonic() + SECONDS, 0
    while True:  # training goes on while the new process starts
        steps += runners.train().steps
        after = set(remote(runners, lambda runner: None))
        if len(after) == 2:
            break
        assert time.monotonic() < end, "the runner was not replaced"
    assert killed not in after
    assert steps >= 64
    assert_weights(runners, runners.parameters()["policy"])
    assert runners.train().steps >= 64
