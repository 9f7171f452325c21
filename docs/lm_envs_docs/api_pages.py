"""Writes the API reference: a page for each public module, from its docstrings.

Owns which modules are public. A package's names are those of its `__all__`.
"""

import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

PACKAGES = (
    "lm_envs",
    "lm_envs.envs",
    "lm_envs.envs.actions",
    "lm_envs.envs.observations",
    "lm_envs.tasks",
    "lm_envs.tasks.rewards",
    "lm_envs.testing",
    "agents",
)
MODULES = ("lm_envs.envs.tuning.base", "lm_envs.sb3", "lm_envs.transcript")
"""Modules without `__all__`: their public names are those that they define."""


def public_names(module: ModuleType) -> list[str]:
    """Returns the public names of a module, in the order of its pages."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def page(name: str) -> str:
    """Returns the page of a module as reStructuredText: a table of its names, and each of them."""
    module = importlib.import_module(name)
    names = public_names(module)
    tables = [each for each in names if isinstance(getattr(module, each), Mapping)]
    listed = "\n".join(f"   {each}" for each in names if each not in tables)
    lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :no-members:", ""]
    lines += [".. autosummary::", "   :nosignatures:", "", listed, ""]
    lines += [_entry(name, each, getattr(module, each)) for each in names]
    return "\n".join(lines)


def _entry(module: str, name: str, value: Any) -> str:  # noqa: ANN401 - any public object
    path = f"{module}.{name}"
    if isinstance(value, Mapping):  # its docstring would be that of `dict`
        keys = ", ".join(f"``{key}``" for key in value)
        return f".. py:data:: {path}\n\n   Names: {keys}.\n"
    if not inspect.isclass(value):
        return f".. auto{'function' if callable(value) else 'data'}:: {path}\n"
    has_members = not issubclass(value, tuple)  # the docstring of a named tuple has its fields
    members = "   :members:\n" if has_members else ""
    return f".. autoclass:: {path}\n{members}   :show-inheritance:\n"


def index() -> str:
    """Returns the page that lists the modules."""
    names = sorted((*PACKAGES, *MODULES))
    rows = [
        f"| [{name}](generated/{name}.rst) | {_first_sentence(importlib.import_module(name))} |"
        for name in names
    ]
    toctree = "\n".join(f"generated/{name}" for name in names)
    return (
        "# API reference\n\nThe public names, from their docstrings. Names of other modules may "
        "change without notice. Classes of ids have a page each under "
        "[Environments](../environments/index.md).\n\n| module | content |\n| --- | --- |\n"
        + "\n".join(rows)
        + f"\n\n```{{toctree}}\n:hidden:\n\n{toctree}\n```\n"
    )


def _first_sentence(module: ModuleType) -> str:
    return " ".join((inspect.getdoc(module) or "").partition("\n\n")[0].split())
