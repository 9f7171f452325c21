"""Training, evaluation and pretraining: `python -m agents.<verb>` from a checkout.

`agents.load` returns the policy and the environment of a run folder.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.runs.finished import load as load

__all__ = ["load"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a function
    # On first use: an import here would load torch and Stable-Baselines3 for every submodule.
    if name == "load":
        from agents.runs.finished import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
