"""Connections to Ray: what is refused before anything starts."""

import socket
import sys

import pytest

from agents.config.loading import UserError
from agents.train_rllib.cluster import check_address, check_ray


@pytest.mark.parametrize("address", ["host", "host:", ":6379", "host:port", "host:99999", ""])
def test_an_address_of_another_form_is_refused(address):
    with pytest.raises(UserError, match=r"Got --address .*; allowed: host:port"):
        check_address(address)


def test_an_unreachable_cluster_is_refused_within_seconds():
    with socket.socket() as free:  # a port on which nothing listens
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(UserError, match=rf"127\.0\.0\.1:{port}, where no cluster answers"):
            check_address(f"127.0.0.1:{port}")


def test_an_address_where_something_listens_is_accepted():
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_address(f"127.0.0.1:{server.getsockname()[1]}")
    check_address("auto")


def test_a_missing_ray_is_refused_with_the_lines_that_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ray.rllib", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"no package 'ray.*lm_envs\[agents,ray\]"):
        check_ray()
