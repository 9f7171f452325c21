import json

import numpy as np
import torch

from benchmarks.gpu.section import describe, to_plain
from tests.benchmarks.gpu.sections import make_section


def test_failed_measurement_is_a_row_with_its_traceback():
    section, rows = make_section()
    assert not section.attempt("division", 0, lambda: {"us": 1 / 0}, n=2)
    assert (rows[0]["what"], rows[0]["n"]) == ("division", 2)
    assert rows[0]["note"].startswith("ZeroDivisionError: division by zero\n")
    assert "1 / 0" in rows[0]["note"]


def test_measurement_without_time_is_left_out_with_a_note():
    section, rows = make_section(5.0, is_small=False)
    assert not section.attempt("long", 10.0, lambda: {"us": 1})
    assert rows[0]["note"].startswith("left out: ")


def test_values_of_a_row_are_those_of_json():
    values = {"a": np.float32(0.5), "b": float("nan"), "c": torch.tensor(3), "d": [np.int64(1)]}
    plain = to_plain({**values, "e": torch.float32})
    assert plain == {"a": 0.5, "b": None, "c": 3, "d": [1], "e": "torch.float32"}
    assert json.loads(json.dumps(plain)) == plain


def test_a_package_that_is_missing_is_one_line():
    try:
        import no_such_package  # type: ignore[import-not-found]  # noqa: F401
    except ModuleNotFoundError as error:
        found = describe(error)
    assert found == "needs the package no_such_package, which is not here; add it to the --wheels"
