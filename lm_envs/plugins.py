"""Objects that callers bring: "module:Name" in a spec, a class, or an object.

The only module that imports code by a name that a caller wrote. Importing **runs that module's
code**: give only names that you trust. Knows nothing of what is imported.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lm_envs.validation import check_choice, did_you_mean


def is_path(value: object) -> bool:
    """Returns whether a value is a text of the form "package.module:Name"."""
    return isinstance(value, str) and ":" in value


def load_object(path: str, what: str, known: Iterable[str] = ()) -> Any:  # noqa: ANN401
    """Imports "package.module:Name" and returns the object.

    Args:
        path: Module and name.
        what: What the object is, for error messages, such as "score".
        known: Names that need no import, for a hint at a misspelled one.

    Raises:
        ValueError: If the path has another form, or the module or the name does not exist.
    """
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name) or path.startswith("."):
        hint = did_you_mean(path, known)
        raise ValueError(f"Got {what} {path!r}; allowed: 'package.module:{_example(what)}'.{hint}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        remedy = "install it, or put its folder on PYTHONPATH"
        raise ValueError(f"Got {what} {path!r}, but no module {error.name!r}; {remedy}.") from None
    if not hasattr(module, name):
        hint = did_you_mean(name, vars(module))
        raise ValueError(f"Got {what} {path!r}, but no such name in {module_name}.{hint}")
    return getattr(module, name)


def resolve_kind(
    what: str,
    spec: Any,  # noqa: ANN401 - a caller's value
    kinds: Mapping[str, Callable[..., Any]],
    *,
    is_made: Callable[[object], bool],
) -> tuple[Any, dict[str, Any]]:
    """Returns what a spec names, and the options to call it with.

    Args:
        what: Name of the argument, for error messages, such as "actions".
        spec: A name in `kinds`, "module:Name", a class or function, an object that is made already,
            or a mapping {"kind": any of these, option: value, ...}.
        kinds: Classes and functions by name; their keyword-only parameters are the options.
        is_made: Whether an object is made already, and no class or function that makes one.

    Raises:
        ValueError: If the kind is unknown, or an option is not among its keyword arguments.
    """
    options: dict[str, Any] = dict(spec) if isinstance(spec, Mapping) else {"kind": spec}
    kind = options.pop("kind", None)
    if is_path(kind):
        kind = load_object(kind, what, kinds)
    elif not (callable(kind) or is_made(kind)):
        check_choice(f"{what} kind", kind, kinds)
        kind = kinds[kind]
    allowed = [] if is_made(kind) else _keyword_arguments(kind, what)
    for option in options:
        if option not in allowed:
            names = ", ".join(allowed) or "none"
            raise ValueError(
                f"Got unknown option {option!r} of {what} {_name(spec)!r}; allowed: {names}."
                f"{did_you_mean(option, allowed)}"
            )
    return kind, options


def _keyword_arguments(kind: Callable[..., Any], what: str) -> list[str]:
    """Returns the names of the keyword-only parameters of a class or function.

    Raises:
        ValueError: If it has no signature, as some of Python's own types.
    """
    try:
        parameters = inspect.signature(kind).parameters.values()
    except ValueError:
        raise ValueError(
            f"Got {what} {kind!r}, which has no signature; allowed: a class or function of yours."
        ) from None
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]


def _name(spec: Any) -> str:  # noqa: ANN401 - a caller's value
    kind = spec.get("kind") if isinstance(spec, Mapping) else spec
    return kind if isinstance(kind, str) else getattr(kind, "__name__", type(kind).__name__)


def _example(what: str) -> str:
    return "function" if what == "score" else "Name"
