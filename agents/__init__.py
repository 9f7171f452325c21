"""Training, evaluation and pretraining: `python -m agents.<verb>` from a checkout.

`agents.load` returns the policy and the environment of a run folder, `agents.load_from_hub` those
of an agent on a hub, `agents.model_from_hub` the folder of a language model on a hub.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.push.loading import load_from_hub as load_from_hub
    from agents.push.loading import model_from_hub as model_from_hub
    from agents.runs.finished import load as load

__all__ = ["load", "load_from_hub", "model_from_hub"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a function
    # On first use: an import here would load torch and Stable-Baselines3 for every submodule.
    if name == "load":
        from agents.runs import finished

        return finished.load
    if name in __all__:
        from agents.push import loading

        return getattr(loading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
