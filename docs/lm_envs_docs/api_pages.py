"""Writes the API reference: a page for each public module, from its docstrings.

Owns which modules are public. A package's names are those of its `__all__`.
"""

import importlib
import inspect
from types import ModuleType

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
MODULES = ("lm_envs.sb3", "lm_envs.transcript")
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
    listed = "\n".join(f"   {name}.{each}" for each in names)
    lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :no-members:", ""]
    lines += [".. autosummary::", "   :nosignatures:", "", listed, ""]
    for each in names:
        value = getattr(module, each)
        kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
        options = "   :members:\n   :show-inheritance:\n" if kind == "class" else ""
        lines += [f".. auto{kind}:: {name}.{each}\n{options}"]
    return "\n".join(lines)


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
