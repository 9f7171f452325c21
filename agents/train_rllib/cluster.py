"""A connection to Ray: a cluster of this machine that ends with the run, or one that runs already.

Owns the checks before anything starts. Knows nothing of training.
"""
# pyright: reportMissingImports=false

import contextlib
import importlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import agents
import lm_envs
from agents.config.loading import UserError

SECONDS = 5.0
"""Until an address counts as unreachable; Ray itself would wait for minutes."""

VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would report its use over the network
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # without it Ray prints a warning
}
"""Settings of Ray's processes, unless they are set already."""

ATTEMPTS = 3
"""To start a local cluster: Ray gives its processes 30 s, which a busy machine may exceed."""

STORE_BYTES = 256 * 2**20
"""Shared memory of a local cluster: for weights, and for the samples of an update."""


def check_ray() -> None:
    """Checks that Ray can be imported.

    Raises:
        ModuleNotFoundError: If it is missing; the message has the lines that install it.
    """
    try:
        importlib.import_module("ray.rllib")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Got no package {error.name!r}; Ray needs another release of Gymnasium than the lock, "
            "so install it in an environment of its own: `python -m venv ray-venv` and "
            "`ray-venv/bin/pip install 'lm_envs[agents,ray]'`; see docs/cluster.md."
        ) from None


def check_address(address: str) -> None:
    """Checks that a cluster's head node can be reached.

    Args:
        address: "host:port" of the head node, or "auto" for the cluster that runs on this machine.

    Raises:
        UserError: If it has another form, or nothing listens there.
    """
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit() and 0 < int(port) < 2**16):
        raise UserError(f"Got --address {address!r}; allowed: host:port, such as 10.0.0.1:6379.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except OSError as error:
        raise UserError(
            f"Got --address {address}, where no cluster answers ({error.strerror or error}); start "
            "one by `ray start --head --port 6379`, or leave the option out for a local cluster."
        ) from None


@contextlib.contextmanager
def connected(runners: int, address: str | None) -> Iterator[None]:
    """Connects to a cluster, and disconnects at the end; a local one is shut down.

    A remote cluster gets the source of `lm_envs` and `agents` of this machine, so that all
    processes run the same code; its machines need the dependencies.

    Args:
        runners: Processes that a local cluster has room for, also with fewer cores.
        address: Accepted by `check_address`; None starts a local cluster.

    Raises:
        UserError: If the cluster refuses the connection.
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        local = {"num_cpus": runners + 1, "object_store_memory": STORE_BYTES}
        _start_ray("local", {"include_dashboard": False, **local, **quiet})
    else:
        modules = [str(Path(package.__path__[0])) for package in (lm_envs, agents)]
        _start_ray(address, {"runtime_env": {"py_modules": modules}, **quiet})
    import ray

    try:
        yield
    finally:
        ray.shutdown()


def _start_ray(address: str, options: dict[str, Any]) -> None:
    """Connects, or starts a local cluster; some attempts, where it does not start in time."""
    import ray

    for attempt in range(1, ATTEMPTS + 1):
        try:
            ray.init(address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"Got a cluster that refuses the connection: {reason}") from None
        except Exception as error:  # Ray's own for processes that take more than 30 s to start
            ray.shutdown()
            if "timed out" not in str(error):
                raise
            if attempt == ATTEMPTS:
                raise UserError(
                    f"Got no local cluster in {ATTEMPTS} attempts: Ray's processes need less than "
                    "30 s to start. Stop other programs, or repeat the command."
                ) from None
        else:
            return
