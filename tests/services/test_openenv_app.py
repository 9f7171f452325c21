"""The tasks as an OpenEnv server: OpenEnv's own client plays over a WebSocket of this machine.

Needs OpenEnv, which has a virtual environment of its own: see docs/services.md.
"""

import socket
import threading
import time

import pytest

pytest.importorskip("openenv.core", reason="OpenEnv is not installed: see docs/services.md")

import uvicorn
from openenv.core import GenericEnvClient

from lm_envs.services.openenv_app import make_app

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(make_app("dialogue", split="train"), port=port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def say(env, message):
    return env.step({"tool": "reply", "arguments": {"message": message}})


def test_a_client_wins_a_dialogue(address):
    with GenericEnvClient(base_url=address).sync() as env:
        first = env.reset(index=0)
        assert first.observation["text"] == "Customer: I want to return a lamp."
        assert first.observation["tools"] == ["reply"]
        assert not first.done
        assert say(env, "What is your order number?").observation["text"] == "Customer: It is G7."
        reason = say(env, "Why do you send it back?").observation["text"]
        reason = reason.removeprefix("Customer: Because ").rstrip(".")
        last = say(env, f"The return of order G7 is booked, since {reason}.")
        assert last.done
        assert last.reward == pytest.approx(1.0 - 0.3 * 3 / 5, abs=1e-6)
        assert env.state()["step_count"] == 3


def test_two_clients_do_not_share_an_episode(address):
    with (
        GenericEnvClient(base_url=address).sync() as one,
        GenericEnvClient(base_url=address).sync() as other,
    ):
        one.reset(index=0)
        other.reset(index=1)
        say(one, "What is your order number?")
        assert other.state()["step_count"] == 0
        assert one.state()["step_count"] == 1


def test_a_wrong_call_is_the_text_of_the_observation(address):
    with GenericEnvClient(base_url=address).sync() as env:
        env.reset(index=0)
        found = env.step({"tool": "repli", "arguments": {}}).observation["text"]
        assert found.startswith("Got tool 'repli'; allowed: reply.")
        found = env.step({"tool": "reply", "arguments": {"text": "x"}}).observation["text"]
        assert "unexpected keyword argument 'text'" in found
        found = env.step({"tool": "reply", "arguments": {"message": 5}}).observation["text"]
        assert found == "Got 5 of type int; allowed: a text."


def test_the_same_seed_draws_the_same_customers(address):
    with GenericEnvClient(base_url=address).sync() as env:
        first = [env.reset(seed=3).observation["text"] for _ in range(2)]
        assert [env.reset(seed=3).observation["text"] for _ in range(2)] == first
