"""Action kinds by name: from the `actions=` argument of an environment to an object."""

from collections.abc import Mapping
from typing import Any

from lm_envs.envs.actions.base import Actions, Setup
from lm_envs.envs.actions.choices import ChoiceActions
from lm_envs.envs.actions.embedding import EmbeddingActions
from lm_envs.envs.actions.read_write import ReadWriteActions
from lm_envs.envs.actions.show_words import ShowWordsActions
from lm_envs.envs.actions.top_k import TopKActions
from lm_envs.envs.actions.vocabulary import VocabularyActions
from lm_envs.plugins import resolve_kind
from lm_envs.tasks.base import required_actions
from lm_envs.validation import check_choice

KINDS: Mapping[str, type[Actions]] = {
    "top_k": TopKActions,
    "vocabulary": VocabularyActions,
    "embedding": EmbeddingActions,
    "choices": ChoiceActions,
    "read_write": ReadWriteActions,
    "show_words": ShowWordsActions,
}
"""Every action kind by name; its options are the keyword arguments of its class."""

ActionSpec = str | Mapping[str, Any] | Actions | type[Actions]
"""A kind, {"kind": kind, option: value, ...}, "module:Class", a class, or an object."""


def make_actions(spec: ActionSpec, setup: Setup) -> Actions:
    """Returns the action kind of a spec, prepared for a model and a task.

    Raises:
        ValueError: If the kind or an option is unknown, an option is out of range, or the kind does
            not fit the task or the model.
    """
    kind, options = resolve_kind(
        "actions", spec, KINDS, is_made=lambda value: isinstance(value, Actions)
    )
    needed = required_actions(setup.task)
    if needed is not None:
        check_choice(f"required_actions of {setup.task_name!r}", needed, KINDS)
    if needed is not None and kind is not KINDS[needed]:
        which = f"{setup.task_name!r} of mode='simultaneous'" if needed == "read_write" else "it"
        raise ValueError(
            f"Got actions={spec!r} for {setup.task_name!r}; {which} works with actions={needed!r} "
            "only."
        )
    actions = kind if isinstance(kind, Actions) else kind(**options)
    if not isinstance(actions, Actions):
        raise ValueError(
            f"Got actions={spec!r}, which makes {type(actions).__name__}; allowed: a subclass of "
            "lm_envs.envs.actions.Actions."
        )
    actions.prepare(setup)
    return actions
