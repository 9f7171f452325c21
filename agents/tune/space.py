"""The search space: ranges by the dotted keys of a training configuration.

Owns the form of a range, and the checks of both ends against the configuration. Knows nothing of
optuna's study, of processes or of files that a study leaves.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.config.loading import UserError, is_number, section, validated
from agents.config.parameters import LINEAR
from agents.config.train import TrainConfig
from lm_envs.validation import did_you_mean, is_finite, is_whole

if TYPE_CHECKING:
    from optuna.trial import Trial

SEARCHED = ("algorithm", "env.kwargs", "env.n_envs")
"""Keys that may be searched, with all keys below them.

The others are the budget and the measure: trials that differ in them could not be compared.
"""

FIXED = ("env.kwargs.rewards", "env.kwargs.task", "env.kwargs.dataset", "env.kwargs.columns")
"""Keys below these that decide what the reward means, and are not searched either."""

FORM = "{low: 1.0e-4, high: 1.0e-2, log: true} or {choices: [24, 48]}"
_OPTIONS = ("low", "high", "log", "linear", "choices")


@dataclass(frozen=True, slots=True)
class Range:
    """The values of one key: those between two ends, or a list of choices.

    Attributes:
        low: Smallest value. Two whole ends mean whole numbers only.
        high: Largest value, which is included.
        log: Whether the logarithm is drawn uniformly, not the value.
        linear: Whether the value is a learning rate that falls linearly to 0, `lin_<value>`.
        choices: Any values of a YAML file; where they are given, there are no ends.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    linear: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return is_whole(self.low) and is_whole(self.high)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values to be checked: all choices, or both ends as the configuration has them."""
        return self.choices or tuple(map(self.to_value, (self.low, self.high)))

    def to_value(self, drawn: Any) -> Any:  # noqa: ANN401 - a number, or the JSON of a choice
        """Returns the configuration's value for a drawn number or choice."""
        if self.choices:
            return json.loads(drawn)
        return f"{LINEAR}{drawn!r}" if self.linear else drawn

    def to_drawn(self, value: Any) -> Any:  # noqa: ANN401 - any value of a configuration
        """Returns what would have to be drawn for a value; None if it is not in the range."""
        if self.choices:
            return json.dumps(value) if value in self.choices else None
        if self.linear:
            if not (isinstance(value, str) and value.startswith(LINEAR)):
                return None
            value = float(value.removeprefix(LINEAR))
        is_in = isinstance(value, (int, float)) and self.low <= value <= self.high
        return value if is_in and (is_whole(value) or not self.is_whole) else None

    def suggest(self, key: str, trial: "Trial") -> Any:  # noqa: ANN401 - a number or JSON
        """Draws a number, or the JSON of a choice, as a parameter of the trial."""
        if self.choices:  # as JSON: a stored study holds numbers and texts only, and no lists
            return trial.suggest_categorical(key, [json.dumps(each) for each in self.choices])
        if self.is_whole:
            return trial.suggest_int(key, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)


@dataclass(frozen=True, slots=True)
class Space:
    """Ranges by key around one configuration, whose own values are in them.

    Attributes:
        base: Plain values of the configuration, with the splits of the study.
        ranges: By dotted key.
    """

    base: Mapping[str, Any]
    ranges: Mapping[str, Range]

    def config(self, values: Mapping[str, Any]) -> TrainConfig:
        """Returns the configuration with other values.

        Args:
            values: By dotted key.

        Raises:
            UserError: If one is invalid; the message names key, value and allowed values.
        """
        return with_values(self.base, values, "search")

    def own_values(self) -> dict[str, Any]:
        """Returns what would have to be drawn for the configuration itself."""
        return {key: each.to_drawn(value_at(self.base, key)) for key, each in self.ranges.items()}

    def to_values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values of the configuration by key, for drawn parameters."""
        return {key: each.to_value(drawn[key]) for key, each in self.ranges.items()}

    def suggest(self, trial: "Trial") -> dict[str, Any]:
        """Draws a value of each key; returns values of the configuration."""
        return self.to_values({key: r.suggest(key, trial) for key, r in self.ranges.items()})


def read_space(base: TrainConfig, search: object) -> Space:
    """Returns the search space around a configuration, after a check of every range.

    Args:
        base: Configuration of the trials.
        search: Value of the key `search`: ranges by dotted key.

    Raises:
        UserError: If there is no range, a key does not exist or may not be searched, a range has
            another form, an end of it is no value of its key, or it lacks the value of `base`.
    """
    if not isinstance(search, Mapping) or not search:
        raise UserError(f"Got search={search!r}; allowed: ranges by key, such as {FORM}.")
    space = Space(base.model_dump(), {str(k): _range(str(k), v) for k, v in search.items()})
    for key, each in space.ranges.items():
        _check_key(key)
        for value in each.ends:
            space.config({key: value})
        _check_own(space, key, search[key])
    return space


def with_values(base: Mapping[str, Any], values: Mapping[str, Any], source: str) -> TrainConfig:
    """Returns a configuration with other values, which are validated as those of `--set` are.

    Args:
        base: Plain values, which stay as they are.
        values: By dotted key.
        source: Name of the origin of the values, for error messages.

    Raises:
        UserError: If one is invalid; the message names key, value and allowed values.
    """
    changed = copy.deepcopy(dict(base))
    for key, value in values.items():
        inner, last = section(changed, key, f"{source}.{key}")
        inner[last] = value  # not as text: YAML would read 1e-05 as a text again
    return validated(TrainConfig, changed, (), source)


def value_at(values: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - any value of a file
    """Returns the value of a dotted key; None if it is not set."""
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _check_key(key: str) -> None:
    def is_below(names: Sequence[str]) -> bool:
        return any(key == name or key.startswith(f"{name}.") for name in names)

    if not is_below(SEARCHED) or is_below(FIXED):
        raise UserError(
            f"Got search.{key}; allowed: keys of {', '.join(SEARCHED)}, without "
            f"{', '.join(FIXED)}. Budget and reward are those of the configuration, so that trials "
            "can be compared; set others with --set, for a study of their own."
        )


def _check_own(space: Space, key: str, given: object) -> None:
    value = value_at(space.base, key)
    if value is None:
        raise UserError(
            f"Got search.{key}, but the configuration does not set {key}; set it there or with "
            "--set, since the first trial is the configuration itself."
        )
    if space.ranges[key].to_drawn(value) is None:
        hint = " Add linear: true." if str(value).startswith(LINEAR) else ""
        raise UserError(
            f"Got search.{key}={given!r} without the configuration's own value {value!r}; widen "
            f"it, since the first trial is the configuration itself.{hint}"
        )


def _range(key: str, value: object) -> Range:
    """Returns the range that a YAML value describes."""
    problem = "which is no range"
    given: dict[str, Any] = {}
    if isinstance(value, Mapping):
        given = {str(name): each for name, each in value.items()}
        problem = _problem_of_choices(given) if "choices" in given else _problem_of_ends(key, given)
    if problem:
        raise UserError(f"Got search.{key}={value!r}, {problem}; allowed: {FORM}.")
    return Range(**{**given, "choices": tuple(given.get("choices", ()))})


def _problem_of_choices(value: Mapping[Any, Any]) -> str:
    """Returns what is wrong with choices; empty if nothing is."""
    choices = value["choices"]
    is_list = isinstance(choices, list) and len(choices) >= 2
    return "" if is_list and len(value) == 1 else "where choices are no list of two or more, alone"


def _problem_of_ends(key: str, value: Mapping[Any, Any]) -> str:
    """Returns what is wrong with low, high and their options; empty if nothing is."""
    if unknown := [str(name) for name in value if name not in _OPTIONS]:
        hint = did_you_mean(unknown[0], _OPTIONS).rstrip(".")
        return f"with the unknown {unknown[0]!r}.{hint}" if hint else f"with {unknown[0]!r}"
    for name in ("log", "linear"):
        if not isinstance(value.get(name, False), bool):
            return f"where {name} is neither true nor false"
    if value.get("linear") and not key.endswith("learning_rate"):
        return "where linear belongs to a learning rate"
    low, high = value.get("low"), value.get("high")
    if not (is_finite(low) and is_finite(high)):
        texts = [each for each in (low, high) if isinstance(each, str) and is_number(each)]
        hint = f" ({texts[0]!r} is text in YAML: write 3.0e-4)" if texts else ""
        return f"where low and high are not both numbers{hint}"
    return (
        ""
        if low < high and (low > 0 or not value.get("log"))
        else ("where low is not below high, or not above 0 with log: true")
    )
