"""Modules that a configuration imports: whether the user trusts them, and their import.

Importing a module runs its code, so a configuration file of another person could run anything.
Nothing is imported before the user has allowed it. Knows nothing of how environments are made.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agents.config.env_ids import check_env_id
from agents.config.loading import UserError
from agents.config.train import TrainConfig
from lm_envs.tasks.rewards.preference import is_preference

FLAG = "--trust-imports"
TRUST_HELP = "allow the configuration to import modules, which runs their code"
"""Help text of the flag in every command."""

OWN_PREFIXES = ("lm_envs.", "agents.observations.")
"""Modules of these packages are always trusted: they are imported anyway."""


def import_for_run(config: TrainConfig, *, trusted: bool) -> None:
    """Checks that the imports of a configuration are trusted, imports its modules, checks its id.

    Has to be called before a run folder or an environment is made.

    Args:
        config: Of the run.
        trusted: Whether the user allowed imports.

    Raises:
        UserError: If imports are not trusted, a module is missing, or the id is not registered or
            not one of our environments.
    """
    check_trusted(config.model_dump(), trusted=trusted)
    import_modules(config.imports)
    try:
        check_env_id(config.env.id)
    except ValueError as error:
        raise UserError(f"Got env.id={config.env.id!r}; {error}") from None


def check_trusted(config_values: Mapping[str, Any], *, trusted: bool) -> None:
    """Checks that a configuration imports no code, unless the user trusts it.

    Args:
        config_values: Plain values with the keys of `TrainConfig`; `imports` and `env` suffice.
        trusted: Whether the user allowed imports.

    Raises:
        UserError: If modules would be imported; the message lists them and names the flag.
    """
    names = sorted(set(imported_names(config_values)))
    if names and not trusted:
        raise UserError(
            f"Got a configuration that imports {', '.join(names)}, which runs code of these "
            f"modules; allowed: names that start with {OWN_PREFIXES[0]!r}. Read the code, then add "
            f"{FLAG} (trust_imports=True in Python)."
        )


def shown_flag(config: TrainConfig) -> str:
    """Returns the flag, after a blank, that commands on a run of a configuration need; or ""."""
    return f" {FLAG}" if list(imported_names(config.model_dump())) else ""


def imported_names(config_values: Mapping[str, Any]) -> Iterator[str]:
    """Yields every name in a configuration that makes the process import foreign code.

    These are entries of `imports`, and under `env.kwargs` texts of the form "module:Name" given as
    `task`, `actions`, `observation` or their `kind`, entries of `observation.features`, and keys of
    `rewards`; not "preference:FILE", which is data.
    """
    kwargs = (config_values.get("env") or {}).get("kwargs") or {}
    names = list(config_values.get("imports") or ())
    for key in ("task", "actions", "observation"):
        names += _paths(kwargs.get(key))
    rewards = kwargs.get("rewards")
    names += _paths(list(rewards) if isinstance(rewards, Mapping) else rewards)
    yield from (n for n in names if not n.startswith(OWN_PREFIXES) and not is_preference(n))


def import_modules(names: Iterable[str]) -> None:
    """Imports modules, which may register ids.

    Raises:
        UserError: If a module is missing.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise UserError(
                f"Got imports={name!r}, but there is no module {error.name!r}; install it, or put "
                "its folder on PYTHONPATH."
            ) from None


def _paths(value: Any) -> list[str]:  # noqa: ANN401 - any part of a configuration
    """Returns texts "module:Name": the value itself, list entries, or `kind` and `features`."""
    if isinstance(value, str):
        return [value] if ":" in value else []
    if isinstance(value, Mapping):
        return _paths(value.get("kind")) + _paths(value.get("features"))
    if isinstance(value, (list, tuple)):
        return [path for entry in value for path in _paths(entry)]
    return []
