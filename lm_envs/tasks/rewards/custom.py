"""Scores that a caller brings: a path to any callable, or one itself, held to the contract of ours.

The only module that imports code by a path a caller wrote. Knows nothing of what is scored.
"""

import importlib
import inspect
from collections.abc import Sequence

import numpy as np

from lm_envs.tasks.rewards.text_normalization import to_nfc
from lm_envs.tasks.rewards.text_scores import TEXT_SCORES, TextFunction
from lm_envs.validation import check_number, did_you_mean


def load_score(source: str | TextFunction) -> TextFunction:
    """A caller's own score, held to the contract: blank text 0, both sides NFC, a finite number.

    Args:
        source: "package.module:function", as in `rewards`, whose names are texts: they stand in
            infos and in specs. It is imported, which **runs that module's code**: give only paths
            you trust. Beside an environment, any callable `(text, references) -> float`.

    Raises:
        ValueError: If the path leads to no function, or it does not take a text and references;
            and from the score itself, if it returns anything but a finite number.
        RuntimeError: From the score itself, if the caller's code raises, whose error is the cause.
            A step of an environment that fails so has to be followed by a reset.
    """
    function = _imported(source) if isinstance(source, str) else source
    name = source if isinstance(source, str) else getattr(function, "__name__", repr(function))
    _check_signature(function, name)

    def score(text: str, references: Sequence[str]) -> float:
        if not text.strip():
            return 0.0
        try:
            value = function(to_nfc(text), [to_nfc(r) for r in references])
        except Exception as error:  # of a caller's own code, with errors of its own
            raise RuntimeError(
                f"Got {type(error).__name__} from score {name!r}: {error}; it has to give a finite "
                f"number for any text, such as {text[:60]!r}."
            ) from error
        value = float(value) if isinstance(value, (bool, np.bool_)) else value
        check_number(f"value of score {name!r}", value)
        return float(value)

    return score


def _imported(path: str) -> TextFunction:
    module_name, colon, function_name = path.partition(":")
    if not (module_name and colon and function_name) or path.startswith("."):
        hint = did_you_mean(path, TEXT_SCORES)
        raise ValueError(f"Got score {path!r}; allowed: 'package.module:function'.{hint}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        remedy = "install it, or put its folder on PYTHONPATH"
        raise ValueError(f"Got score {path!r}, but no module {error.name!r}; {remedy}.") from None
    if not hasattr(module, function_name):
        hint = did_you_mean(function_name, vars(module))
        raise ValueError(f"Got score {path!r}, but no such name in {module_name}.{hint}")
    return getattr(module, function_name)


def _check_signature(function: TextFunction, name: str) -> None:
    try:
        inspect.signature(function).bind("text", ["reference"])
    except TypeError as error:
        allowed = "a function (text: str, references: Sequence[str]) -> float"
        raise ValueError(f"Got score {name!r}: {error}; allowed: {allowed}.") from None
