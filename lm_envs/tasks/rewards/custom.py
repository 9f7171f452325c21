"""Scores that a caller brings: a function, or "module:function".

Owns how they are called and what they may return. Knows nothing of what they measure.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from lm_envs.plugins import load_object
from lm_envs.tasks.rewards.completions import Completions
from lm_envs.tasks.rewards.text_normalization import to_nfc
from lm_envs.tasks.rewards.text_scores import TEXT_SCORES
from lm_envs.validation import check_number, shown

BATCH = ("prompts", "completions", "references")
"""Keyword arguments of a function that scores all rows at once, beside the example's columns."""

FORMS = (
    "f(prompts, completions, references, **columns) -> floats, any of these by name, or "
    "f(text, references) -> float"
)


F = TypeVar("F", bound=Callable[..., Any])

_MARK = "finished_texts_only"


def finished_texts_only(function: F) -> F:
    """Marks a score that is given to finished texts only, such as a person's rating.

    Environments refuse it with `dense=True`, where the text after every token would be scored.
    """
    setattr(function, _MARK, True)
    return function


class CustomScore:
    """A caller's function as a score of rows.

    Two forms are accepted. One call for all rows that need a score::

        def length_close_to(prompts, completions, references, **columns) -> list[float]

    where each argument is a list with one entry a row: the prompt, the completion without spaces
    around it, the list of references, and of each other column of the example its value. Arguments
    that the function does not name are not passed. It may be `async`, and may return a list, an
    array or a tensor. Or one call for each text::

        def word_count(text, references) -> float

    Completions and references are in NFC. A blank completion scores 0 without a call, so that a
    potential built from scores starts at 0.

    Args:
        source: The function, or "package.module:function", which is imported: this **runs that
            module's code**, so give only names that you trust.

    Attributes:
        name: The function's name, or the text "package.module:function".
        finished_only: Whether the function is marked by `finished_texts_only`.

    Raises:
        ValueError: If there is no such function, or it has another form; and from a call, if the
            function does not return one finite number a row.
        RuntimeError: From a call, if the function raises; its error is the cause. All rows have to
            be reset after a step that failed so.
    """

    def __init__(self, source: str | Callable[..., Any]) -> None:
        if isinstance(source, str):
            self._function = load_object(source, "score", TEXT_SCORES)
            self.name = source
        else:
            self._function = source
            self.name = getattr(source, "__name__", type(source).__name__)
        self.finished_only: bool = getattr(self._function, _MARK, False)
        self._is_batch, self._wanted = _form(self._function, self.name)
        self._required = _required(self._function) if self._is_batch else []

    def __call__(self, completions: Completions, rows: np.ndarray) -> np.ndarray:
        """Returns scores (R,) float64 of `rows` (R,)."""
        scores = np.zeros(len(rows))
        texts = [to_nfc(completions.texts[int(row)].strip()) for row in rows.tolist()]
        places = [place for place, text in enumerate(texts) if text]
        if not places:
            return scores
        chosen = rows[places]
        arguments: dict[str, list[Any]] = {
            "completions": [texts[place] for place in places],
            "references": [
                [to_nfc(r) for r in completions.targets[int(row)]] for row in chosen.tolist()
            ],
        }
        if self._is_batch:
            arguments |= self._batch_arguments(completions, chosen)
            self._check_columns(arguments)
            kept = {n: v for n, v in arguments.items() if self._wanted is None or n in self._wanted}
            scores[places] = self._checked(self._call(**kept), len(places))
        else:
            pairs = zip(*arguments.values(), strict=True)
            values = [self._call(text, references) for text, references in pairs]
            scores[places] = self._checked(values, len(places))
        return scores

    def _batch_arguments(self, completions: Completions, rows: np.ndarray) -> dict[str, list[Any]]:
        columns: list[Mapping[str, Any]] = [completions.columns[row] for row in rows.tolist()]
        names = {name for each in columns for name in each}
        by_name = {name: [each.get(name) for each in columns] for name in sorted(names)}
        return {**by_name, "prompts": [completions.prompts[row] for row in rows.tolist()]}

    def _check_columns(self, arguments: Mapping[str, object]) -> None:
        """Raises ValueError if the function requires a column that the examples do not have."""
        missing = [name for name in self._required if name not in arguments]
        if missing:
            columns = ", ".join(name for name in arguments if name not in BATCH) or "none"
            raise ValueError(
                f"Got score {self.name!r}, which requires the column {missing[0]!r}; the examples "
                f"have: {columns}, and a prompt of reset(options=…) has none. Use one of these, or "
                f"give the parameter a default: {missing[0]}=None."
            )

    def _call(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - a caller's function
        try:
            value = self._function(*arguments, **named)
            return _run(value) if inspect.isawaitable(value) else value
        except Exception as error:  # a caller's own code raises errors of its own
            raise RuntimeError(
                f"Got {type(error).__name__} from score {self.name!r}: {error}; it has to give a "
                f"finite number for any text, such as {_example(arguments, named)[:60]!r}."
            ) from error

    def _checked(self, values: Any, count: int) -> list[float]:  # noqa: ANN401 - a caller's value
        """Returns the values as floats.

        Raises:
            ValueError: If they are not `count` finite numbers.
        """
        as_list = values.tolist() if hasattr(values, "tolist") else values
        if isinstance(as_list, str) or not isinstance(as_list, Sequence) or len(as_list) != count:
            raise ValueError(
                f"Got {shown(values)} from score {self.name!r}; allowed: a list, an array or a "
                f"tensor of finite numbers, one for each completion (here {count})."
            )
        found = []
        for value in as_list:
            number = float(value) if isinstance(value, (bool, np.bool_)) else value
            check_number(f"value of score {self.name!r}", number)
            found.append(float(number))
        return found


def _form(function: Callable[..., Any], name: str) -> tuple[bool, set[str] | None]:
    """Returns whether a function takes all rows at once, and which arguments; None for all.

    Raises:
        ValueError: If it has neither form.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise ValueError(f"Got score {name!r}: {error}; allowed: {FORMS}.") from None
    if any(each in parameters for each in ("prompts", "completions")):
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        return True, None if takes_all else set(parameters)
    try:
        inspect.signature(function).bind("text", ["reference"])
    except TypeError as error:
        raise ValueError(f"Got score {name!r}: {error}; allowed: {FORMS}.") from None
    first = next(iter(parameters))
    if first.startswith("prompt"):
        raise ValueError(
            f"Got score {name!r}, whose first argument is {first!r}; a function of two arguments is"
            f" called with the text and its references. Allowed: {FORMS}."
        )
    return False, None


def _required(function: Callable[..., Any]) -> list[str]:
    """Returns the names of parameters that have no default and can be passed by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind in by_name and p.default is p.empty]


def _run(awaitable: Any) -> Any:  # noqa: ANN401 - a caller's value
    """Returns the result of an awaitable, also where an event loop is running (notebooks)."""

    async def wait() -> Any:  # noqa: ANN401 - a caller's value
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, wait()).result()


def _example(arguments: Sequence[Any], named: Mapping[str, Any]) -> str:
    return str(arguments[0] if arguments else next(iter(named.get("completions", [""]))))
