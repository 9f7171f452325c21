"""Arguments of a command of the form `name=value`, for constructors that check them themselves.

Owns the form. Knows nothing of which names there are.
"""

from collections.abc import Sequence
from typing import Any

import yaml

from agents.config.loading import UserError
from agents.config.plain_yaml import load_plain


def read_arguments(assignments: Sequence[str], example: str) -> dict[str, Any]:
    """Returns the values of texts `name=value`, which are YAML, by name.

    Args:
        assignments: The texts.
        example: One that is right, for the error message.

    Raises:
        UserError: If one has no name, or its value is not plain YAML.
    """
    values = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        try:
            values[name] = load_plain(text)
        except yaml.YAMLError:
            name = ""
        if not (name and equals):
            raise UserError(f"Got {assignment!r}; allowed: name=value, such as {example}.")
    return values
