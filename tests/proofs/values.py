"""Random values that a caller may pass by mistake, and small changes of right values."""

import copy
import math

import numpy as np

NAMES = (
    "hidden",
    "top_k",
    "choices",
    "embedded",
    "fluency",
    "train",
    "test",
    "cpu",
    "int8",
    "kind",
)
TEXTS = (
    "",
    " ",
    "\n",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "a" * 5000,
    "é",
    "1e5",
    "nan",
    "0",
    "-1",
    "../..",
)
NUMBERS = (0, 1, -1, 2, 3, 7, 16, 2**31, 2**63, 2**64, -(2**70), 10**30, 0.5, 1.0, -0.0, 1e-300)
ODD = (math.nan, math.inf, -math.inf, True, False, None, 1j, b"bytes", ..., int, len, object())
DTYPES = (np.int64, np.int8, np.uint8, np.float32, np.float64, bool, object, "U3", complex)


def any_value(rng, depth=0):
    """A value of any kind, nested up to three levels."""
    kind = rng.integers(8 if depth < 3 else 4)
    if kind == 0:
        return NUMBERS[rng.integers(len(NUMBERS))]
    if kind == 1:
        return ODD[rng.integers(len(ODD))]
    if kind == 2:
        pool = NAMES if rng.integers(2) else TEXTS
        return pool[rng.integers(len(pool))]
    if kind == 3:
        return array(rng)
    values = [any_value(rng, depth + 1) for _ in range(rng.integers(4))]
    if kind == 4:
        return values
    if kind == 5:
        return tuple(values)
    names = [NAMES[rng.integers(len(NAMES))] for _ in values]
    keys = names if rng.integers(4) else range(len(values))
    return dict(zip(keys, values, strict=True))


def array(rng):
    """An array, or a scalar, of any number type and of up to three axes."""
    shape = tuple(int(size) for size in rng.integers(0, 5, rng.integers(0, 4)))
    numbers = rng.integers(-3, 20, shape)
    dtype = DTYPES[rng.integers(len(DTYPES))]
    values = np.asarray(numbers).astype(dtype)
    if values.dtype.kind == "f" and values.size and rng.integers(2):
        values.flat[rng.integers(values.size)] = ODD[rng.integers(3)]
    return values[()] if rng.integers(2) and not shape else values


def changed(rng, value):
    """A copy of nested values with one part replaced, removed, added, or moved."""
    value = copy.deepcopy(value)
    holder, key = _place(rng, value)
    if holder is None:
        return any_value(rng)
    choice = rng.integers(5)
    if choice == 0:
        del holder[key]
    elif choice == 1:
        holder[key] = near(rng, holder[key])
    elif choice == 2 and isinstance(holder, dict):
        holder[NAMES[rng.integers(len(NAMES))]] = any_value(rng)
    elif choice == 2:
        holder.append(any_value(rng))
    else:
        holder[key] = any_value(rng)
    return value


def near(rng, value):
    """A value of the same type that is a little wrong."""
    if isinstance(value, np.ndarray) and not value.ndim:
        return array(rng)
    if isinstance(value, np.ndarray):
        ways = (value[:-1], value[..., None], value.astype(float), value + value, value.tolist())
        return ways[rng.integers(len(ways))]
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, (int, float)):
        return (value + 1, -value, value * 2**40, float(value), str(value))[rng.integers(5)]
    if isinstance(value, str):
        return (value[:-1], value + "x", value * 3, [value], value.encode())[rng.integers(5)]
    if isinstance(value, list):
        return (value[:-1], value + value[:1], value[::-1], tuple(value))[rng.integers(4)]
    return any_value(rng)


def _place(rng, value):
    """A dict or list inside nested values, and a key in it; (None, None) if there is none."""
    places = []
    stack = [value]
    while stack:
        holder = stack.pop()
        pairs = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, inner in list(pairs):
            places.append((holder, key))
            if isinstance(inner, (dict, list)):
                stack.append(inner)
    return places[rng.integers(len(places))] if places else (None, None)
