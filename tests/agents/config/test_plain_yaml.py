import time

import pytest
import yaml

from agents.config.plain_yaml import load_plain

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
DOUBLING = "m0: &m0 {a: 1}\n" + "".join(
    f"m{n}: &m{n} {{l: *m{n - 1}, r: *m{n - 1}}}\n" for n in range(1, 60)
)


def test_plain_values_aliases_and_merges_are_read():
    text = "a: &a {x: 1, y: [true, null, 1.5, 'é']}\nb: *a\nc: {<<: *a, x: 2}\n"
    values = load_plain(text)
    assert values["a"] == values["b"] == {"x": 1, "y": [True, None, 1.5, "é"]}
    assert values["c"] == {"x": 2, "y": [True, None, 1.5, "é"]}
    assert load_plain("") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "more than 20000 values, aliases included"),
        (DOUBLING, "more than 20000 values, aliases included"),
        ("a: &a [*a]", "an alias stands for a value that contains it"),
        ("[" * 50_000, "nested more than 20 levels"),
        ("{a: " * 20_000, "nested more than 20 levels"),
        ("- " * 40_000 + "x", "nested more than 20 levels"),
        ("a: 1\nb: {c: 1, d: 2, c: 3}", "the key 'c' stands twice, .*line 2"),
        ("a: 1\na: 2", "the key 'a' stands twice"),
        ("a: !!python/object/apply:os.system ['touch executed']", "could not determine a constr"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("!!python/object/new:os.system [ls]", "could not determine a constructor"),
        ("? [a]\n: 1", "unhashable"),
        ("a: 2024-99-99", "month must be in"),
        ("a: 1\n--- \nb: 2", "expected a single document"),
        ("a: \x07", "special characters are not allowed"),
    ],
    ids=range(15),
)
def test_what_is_not_plain_is_refused_within_a_second(text, message):
    """Regression: a kilobyte of aliases took half a minute; nesting was a RecursionError."""
    start = time.process_time()
    with pytest.raises(yaml.YAMLError, match=message):
        load_plain(text)
    assert time.process_time() - start < 1.0
