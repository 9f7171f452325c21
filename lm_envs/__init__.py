"""Language models as Gymnasium environments.

Importing this registers the environments; it loads neither torch nor a model.
"""

import warnings
from importlib import metadata
from typing import Any

import gymnasium as gym

__all__ = ["ENTRY_POINT_GROUP", "__version__", "register"]

__version__ = "0.1.0"

ENTRY_POINT_GROUP = "lm_envs.environments"
"""Entry points of this group in an installed distribution name functions without arguments, which
`import lm_envs` calls: they register environments by `register`."""

_PAGES = {
    "NextWord": "ids.next_word",
    "Paraphrase": "ids.paraphrase",
    "QuestionAnswering": "ids.question_answering",
    "KnowledgeGraphQA": "ids.knowledge_graph",
    "Translation": "ids.translation",
    "Classification": "ids.classification",
    "Dialogue": "ids.dialogue",
    "Captioning": "ids.captioning",
    "LiveSubtitles": "ids.live_subtitles",
    "WeightTuning": "tuning.weight_tuning",
    "TrainingControl": "tuning.training_control",
    "StructureSearch": "tuning.structure_search",
    "CacheEviction": "tuning.cache_eviction",
}


def register(env_id: str, *, task: Any, **defaults: Any) -> None:  # noqa: ANN401
    """Registers an environment for a task, for `gymnasium.make` and `make_vec` alike.

    Args:
        env_id: Such as "me/Rhyme-v0".
        task: "module:Class", whose class takes a tokenizer and keyword-only arguments; or the class
            itself, or a task, but then the environment's spec cannot be written as JSON.
        defaults: Arguments of the environment, such as `actions`, or of the task.
    """
    gym.register(
        env_id,
        entry_point="lm_envs.envs.single_env:LanguageEnv",
        vector_entry_point="lm_envs.envs.vector_env:LanguageVectorEnv",
        kwargs={"task": task, **defaults},
    )


def _register_own() -> None:
    for name, module in _PAGES.items():
        entry = f"lm_envs.envs.{module}:{name}"
        gym.register(
            f"lm_envs/{name}-v0", entry_point=f"{entry}Env", vector_entry_point=f"{entry}VectorEnv"
        )


def _register_installed() -> None:
    """Calls the entry points of other distributions; one that fails is left out with a warning."""
    for entry in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            entry.load()()
        except Exception as error:  # another distribution's code raises errors of its own
            warnings.warn(
                f"Got {type(error).__name__} from the entry point {entry.name!r} ({entry.value}) "
                f"of group {ENTRY_POINT_GROUP!r}: {error}. Its environments are not registered.",
                UserWarning,
                stacklevel=2,
            )


_register_own()
_register_installed()
