"""Observations by name: from the `observation=` argument of an environment to an object.

Owns the kinds of observations and their options.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lm_envs.envs.actions.base import Actions, Setup
from lm_envs.envs.observations.base import (
    ImageAndText,
    Observation,
    ReducedVector,
    TokensObservation,
    VectorObservation,
)
from lm_envs.envs.observations.features import Feature, Hidden, LastTokens, TextMean
from lm_envs.envs.observations.reducers import Reducer
from lm_envs.envs.observations.words import Words
from lm_envs.envs.observations.wrappers import fitting_reducer
from lm_envs.model.embeddings import TextEmbeddings
from lm_envs.model.loading import fingerprint
from lm_envs.plugins import resolve_kind
from lm_envs.tasks.base import as_image_task
from lm_envs.validation import check_count

DEFAULT_WORD_COLUMNS = 512

DEFAULT_LAST = 4
"""Last tokens whose embeddings observation="embeddings" shows."""

MOST_LAST = 1024
"""Largest `last` where a task's texts are shorter; the places of missing tokens are zeros."""

Extra = Sequence[str | Feature | Callable[["View"], Feature]]
"""Further features: objects, classes, or "module:Class"."""


@dataclass(frozen=True, slots=True)
class View:
    """What an observation is made from.

    Attributes:
        setup: Model, tokenizer and task.
        actions: The action kind, whose features are shown.
        model_name: The `model` argument of the environment.
    """

    setup: Setup
    actions: Actions
    model_name: str


def make_observation(
    spec: str | Mapping[str, Any] | Observation | Callable[..., Observation], view: View
) -> Observation:
    """Returns the observation of a spec; in a task with images, beside the image.

    Args:
        spec: A kind, {"kind": kind, option: value, ...}, "module:Class", a class that takes a
            `View`, or an observation.
        view: What it is made from.

    Raises:
        ValueError: If the kind or an option is unknown, the actions have no candidates to show, or
            a reducer was fitted on something else.
    """
    kind, options = resolve_kind("observation", spec, KINDS, is_made=_is_made)
    made = kind if _is_made(kind) else kind(view, **options)
    task = as_image_task(view.setup.task)
    return made if task is None else ImageAndText(made, task.image_shape)


def hidden(
    view: View, *, features: Extra = (), reducer: Reducer | str | Path | None = None
) -> Observation:
    """Returns the last hidden state and the features of the actions.

    Args:
        view: What the observation is made from.
        features: Further features, behind the others.
        reducer: A reducer, or its file.

    Raises:
        ValueError: If the model reads no text.
    """
    if not view.actions.reads_text:
        raise ValueError(
            "Got observation 'hidden' for actions with reads=False; allowed: 'words', 'embeddings',"
            " 'candidates', 'tokens', or reads=True."
        )
    return _vector(view, [Hidden(view.setup.model)], features, reducer)


def embeddings(
    view: View,
    *,
    last: int = DEFAULT_LAST,
    features: Extra = (),
    reducer: Reducer | str | Path | None = None,
) -> Observation:
    """Returns the mean token embedding, those of the last tokens, the features of the actions.

    Args:
        view: What the observation is made from.
        last: Number of last tokens.
        features: Further features, behind the others.
        reducer: A reducer, or its file.
    """
    check_count("last", last)
    if last > (most := max(view.setup.task.context_tokens, MOST_LAST)):
        raise ValueError(f"Got last={last}; allowed: 1 to {most}.")
    vectors = TextEmbeddings(view.setup.model)
    mean = TextMean(vectors, view.setup.task.context_tokens)
    return _vector(view, [mean, LastTokens(vectors, last)], features, reducer)


def candidates(
    view: View, *, features: Extra = (), reducer: Reducer | str | Path | None = None
) -> Observation:
    """Returns the features of the actions alone.

    Raises:
        ValueError: If the actions have no candidates to show.
    """
    if not view.actions.shows_candidates:
        raise ValueError(
            "Got observation 'candidates' for 'vocabulary' actions, which have none; allowed: "
            "'hidden', 'embeddings', 'words', 'tokens'."
        )
    return _vector(view, [], features, reducer)


def words(
    view: View,
    *,
    size: int = DEFAULT_WORD_COLUMNS,
    dropout: float = 0.0,
    features: Extra = (),
    reducer: Reducer | str | Path | None = None,
) -> Observation:
    """Returns which words the text has, and the features of the actions; see `Words`.

    Args:
        view: What the observation is made from.
        size: Number of columns for the words of others, for their last ones, and for the agent's.
        dropout: Share of the words that is left out, for training.
        features: Further features, behind the others.
        reducer: A reducer, or its file.
    """
    return _vector(view, [Words(size, dropout)], features, reducer)


def tokens(view: View) -> Observation:
    """Returns the token ids of the text."""
    setup = view.setup
    return TokensObservation(setup.model.config.vocab_size, setup.task.context_tokens)


KINDS: Mapping[str, Callable[..., Observation]] = {
    "hidden": hidden,
    "embeddings": embeddings,
    "candidates": candidates,
    "words": words,
    "tokens": tokens,
}
"""Every kind of observation by name; its options are the keyword arguments of its function."""


def _vector(
    view: View, first: Sequence[Feature], extra: Extra, reducer: Reducer | str | Path | None
) -> Observation:
    further = [_feature(spec, view) for spec in extra]
    vector = VectorObservation([*first, *view.actions.features(), *further])
    if reducer is None:
        return vector
    return ReducedVector(
        vector, fitting_reducer(reducer, fingerprint(view.model_name), vector.space)
    )


def _feature(spec: str | Feature | Callable[[View], Feature], view: View) -> Feature:
    made, options = resolve_kind("feature", spec, {}, is_made=_is_made)
    return made if _is_made(made) else made(view, **options)


def _is_made(value: object) -> bool:
    """Returns whether a value is an object with `encode`, and no class or function."""
    return hasattr(value, "encode") and not isinstance(value, (str, type, partial))
