"""YAML files as validated values: keys and types are checked, every error is one line.

Owns the loading of configuration files and the wording of their errors. Executes no code of them.
"""

import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

import gymnasium as gym
import numpy as np
import pydantic
import torch
import yaml

from agents.config.plain_yaml import load_plain
from lm_envs.rendering import printable
from lm_envs.validation import did_you_mean

MAX_BYTES = 100_000


class UserError(ValueError):
    """A mistake of the user; commands print it as one line, without a traceback."""


COMMAND_OF_KEY = {
    **dict.fromkeys(("warm_start", "kl", "advantage", "lora", "mask"), "finetune"),
    **dict.fromkeys(("agent", "imitation", "rounds"), "loop"),
    **dict.fromkeys(("run", "vocab_size", "mix"), "pretrain"),
    "algorithm": "train",
}
"""The command whose configurations have a key that others lack, for a hint; the first one holds."""


class Interrupted(KeyboardInterrupt):
    """A run that a signal stopped; commands print it as one line and exit with 128 + its number.

    Args:
        message: What was saved, and how to continue.
        number: Of the signal.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class KeyedValueError(ValueError):
    """An invalid value under a nested key, raised by a validator of the whole configuration.

    Args:
        key: Dotted key relative to that configuration.
        value: The invalid value.
        message: What is allowed, and the remedy.
    """

    def __init__(self, key: str, value: object, message: str) -> None:
        super().__init__(message)
        self.key, self.value = key, value


class Config(pydantic.BaseModel):
    """Base of all configuration values: frozen, strict, without unknown keys.

    NumPy scalars are converted to Python numbers, since configurations are written to files.
    """

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _plain_numbers(cls, values: Any) -> Any:  # noqa: ANN401 - not validated yet
        plain = _to_plain(values)
        if isinstance(plain, dict):
            for name, field in cls.model_fields.items():
                if name in plain and int in (field.annotation, *get_args(field.annotation)):
                    plain[name] = _to_whole(plain[name])
        return plain


_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d{1,2}")
"""A number such as 1e5, which PyYAML reads as a text."""


def _to_whole(value: object) -> object:
    """Returns 100000 for 100000.0 and "1e5"; any other value as it is."""
    number = float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value
    is_exact = isinstance(number, float) and number.is_integer() and abs(number) < 2**53
    return int(number) if isinstance(number, float) and is_exact else value


def _to_plain(values: Any) -> Any:  # noqa: ANN401 - a tree of values
    if isinstance(values, dict):
        return {key: _to_plain(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_to_plain(value) for value in values]
    return values.item() if isinstance(values, np.generic) else values


C = TypeVar("C", bound=Config)


def load_config(kind: type[C], path: Path, assignments: Sequence[str] = ()) -> C:
    """Reads a YAML file, applies `key.key=value` assignments, and validates the values.

    Raises:
        UserError: If the file or a value is invalid; the message names file, key, value, allowed
            values and remedy.
    """
    return validated(kind, read_values(path), assignments, str(path))


def read_assignments(kind: type[C], assignments: Sequence[str]) -> C:
    """Returns the defaults of a configuration, changed by `key.key=value` assignments.

    Raises:
        UserError: If a value is invalid; the message names key, value, allowed values and remedy.
    """
    return validated(kind, {}, assignments, "--set")


def validated(kind: type[C], values: dict[str, Any], assignments: Sequence[str], source: str) -> C:
    """Applies `key.key=value` assignments to plain values, in place, and validates them.

    Args:
        kind: Of the configuration.
        values: Plain values by key.
        assignments: As `load_config` takes them.
        source: Name of the file or option, for error messages.

    Raises:
        UserError: If a value is invalid, as `load_config` raises it.
    """
    for assignment in assignments:
        _assign(values, assignment)
    try:
        return kind.model_validate(values)
    except pydantic.ValidationError as error:
        raise UserError(_describe(error, kind, source)) from None


_USER_ERRORS = (ValueError, FloatingPointError, MemoryError, ImportError, OSError, gym.error.Error)


@contextmanager
def reported() -> Iterator[None]:
    """Prints a mistake of the user as one line on standard error and exits with code 2.

    So it does for a GPU without enough memory, which PyTorch reports in many sentences. After a
    signal the code is 128 and its number, as in a shell: 130 for Ctrl-C, 143 for SIGTERM.
    """
    try:
        yield
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        raise SystemExit(128 + stopped.number) from None
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C.", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except torch.OutOfMemoryError as error:
        print(f"error: {_out_of_memory(str(error))}", file=sys.stderr)
        raise SystemExit(2) from None
    except _USER_ERRORS as error:
        # A name or a text of a file may hold escape codes, which a terminal would obey.
        print(f"error: {printable(str(error))}", file=sys.stderr)
        raise SystemExit(2) from None


def _out_of_memory(message: str) -> str:
    """Returns one line for PyTorch's message: the sizes in it, and what takes less memory."""
    wanted = re.search(r"Tried to allocate ([\d.]+ \w+)", message)
    free = re.search(r"([\d.]+ \w+) is free", message)
    size = f" for {wanted[1]} more" if wanted else ""
    left = f" ({free[1]} free)" if free else ""
    return (
        f"Got too little memory on the GPU{size}{left}. Use fewer rows (env.n_envs), smaller "
        "batches (algorithm.kwargs.batch_size, warm_start.batch_size) or shorter texts "
        "(env.kwargs.max_new_tokens, prompt_tokens), or stop other programs on this GPU."
    )


def read_values(path: Path) -> dict[str, Any]:
    """Reads a YAML file as plain values, which are not validated.

    Raises:
        UserError: If there is no such file, or it is no plain YAML with keys.
    """
    if not path.is_file():
        raise UserError(f"Got no file {path}; allowed: a YAML file such as those in configs/.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"Got {path} of {path.stat().st_size} bytes; allowed: {MAX_BYTES}.")
    try:
        values = load_plain(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"Got {path}, which is no plain YAML: {_one_line(error)}.") from None
    if not isinstance(values, dict):
        raise UserError(f"Got {path} without keys; allowed: `key: value` lines.")
    return values


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns the leaves of nested values, by dotted key; an empty mapping is a leaf."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def section(values: dict[str, Any], key: str, given: str) -> tuple[dict[str, Any], str]:
    """Returns the dict that holds a dotted key, made where it is missing, and its key there.

    Args:
        values: Plain values by key.
        key: Dotted key.
        given: What names the key, for the error message.

    Raises:
        UserError: If a part of the key before the last is a value without keys.
    """
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise UserError(f"Got {given}, but {parent!r} holds no keys.")
    return values, last


def _assign(values: dict[str, Any], assignment: str) -> None:
    name, equals, text = assignment.partition("=")
    if not (name and equals):
        raise UserError(f"Got --set {assignment!r}; allowed: key=value, such as seed=1.")
    inner, last = section(values, name, f"--set {assignment!r}")
    try:
        inner[last] = load_plain(text)
    except yaml.YAMLError as error:
        raise UserError(f"Got --set {assignment!r}: {_one_line(error)}.") from None


def _describe(error: pydantic.ValidationError, kind: type[Config], source: str) -> str:
    unknown = [each for each in error.errors() if each["type"] == "extra_forbidden"]
    first = error.errors()[0]
    if first["type"] == "missing" and unknown:  # a misspelled key is also missing
        first = unknown[0]
    key, got = ".".join(str(part) for part in first["loc"]), first.get("input")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, KeyedValueError):
        key, got = ".".join([key, cause.key] if key else [cause.key]), cause.value
    if first["type"] == "missing":
        return f"Got no key {key!r} in {source}; add it, as in the files in configs/."
    if first["type"] == "extra_forbidden":
        # Without indices of lists.
        names = [part for part in first["loc"][:-1] if isinstance(part, str)]
        allowed = _keys_beside(kind, names)
        hint = _command_hint(unknown) or did_you_mean(first["loc"][-1], allowed)
        return f"Got unknown key {key!r} in {source}; allowed: {', '.join(allowed)}.{hint}"
    is_text = isinstance(got, str) and is_number(got)
    hint = f" YAML reads it as text: {_as_number(str(got))}." if is_text else ""
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "allowed:")
    message = re.sub(r"valid dictionary or instance of \w+", "dict of keys", message)
    stop = "" if message.endswith(("?", ".")) else "."
    value = f" in {source}:" if isinstance(got, Mapping) else f"={got!r} in {source};"
    start = f"Got {key}{value}" if key else f"Got {source}, where"
    return f"{start} {message}{stop}{hint}"


def _command_hint(unknown: Sequence[Any]) -> str:
    """Returns which command a configuration with these unknown keys is for; "" if none has them."""
    for key, command in COMMAND_OF_KEY.items():
        if any(each["loc"] == (key,) for each in unknown):
            return f" A configuration with the key {key!r} is for `python -m agents.{command}`."
    return ""


def _keys_beside(kind: type[Config], parents: list[str]) -> list[str]:
    for parent in parents:
        annotation = kind.model_fields[parent].annotation
        # The annotation is a section, an optional one, or a list of them.
        options = [annotation, *get_args(annotation)]
        sections = [o for o in options if isinstance(o, type) and issubclass(o, Config)]
        if not sections:
            return []
        kind = sections[0]
    return list(kind.model_fields)


def refuse_quoted_numbers(values: Mapping[str, Any] | Sequence[Any], prefix: str = "") -> None:
    """Checks that no text looks like a number, at any depth.

    PyYAML parses numbers such as 3e-4 as texts, which would be passed on silently.

    Raises:
        ValueError: If one does; the message names the key.
    """
    pairs = values.items() if isinstance(values, Mapping) else enumerate(values)
    for key, value in pairs:
        name = f"{prefix}{key}"
        if isinstance(value, str) and is_number(value):
            raise ValueError(f"{name}={value!r} is text in YAML; {_as_number(value)}")
        if isinstance(value, (Mapping, list)):
            refuse_quoted_numbers(value, f"{name}.")


def _as_number(text: str) -> str:
    """Returns the remedy for a text that looks like a number."""
    if re.search(r"\de", text, re.IGNORECASE):
        return "write it as 3.0e-4 or 1.0e+6, with a point, a sign and no quotes"
    return "write it without quotes"


def is_number(text: str) -> bool:
    """Returns whether a text looks like a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
