"""Parameters of classes whose constructors pass keyword arguments on to their base classes."""

import inspect
from typing import Any


def init_parameters(kind: type[Any]) -> set[str]:
    """Returns the names of all parameters that a class's constructor takes.

    Where a constructor has `**kwargs`, the parameters of the next constructor in the method
    resolution order are added, since keyword arguments are passed on to it.
    """
    names: set[str] = set()
    for base in kind.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]  # without self
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        names |= {each.name for each in parameters if each.kind not in variadic}
        if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
            break
    return names
