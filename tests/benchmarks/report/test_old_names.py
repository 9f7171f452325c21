"""Results of earlier versions are readable under the current names."""

import json
from pathlib import Path

import pytest

from benchmarks.report.compare import compare
from benchmarks.report.old_names import with_current_names
from benchmarks.subjects.finetune import COMPETITORS
from benchmarks.subjects.interfaces import INTERFACES
from benchmarks.subjects.time_shares import PARTS
from tests.benchmarks.results import make_result, make_row

RESULTS = Path("benchmarks/results")


def stored(subject):
    for path in sorted(RESULTS.glob(f"*/{subject}-*.json")):
        yield with_current_names(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("subject", "names"), [("finetune", COMPETITORS), ("interfaces", INTERFACES)]
)
def test_rows_of_stored_results_have_current_names(subject, names):
    rows = [row for document in stored(subject) for row in document["rows"]]
    assert rows
    assert {row["what"] for row in rows} <= set(names)


def test_stored_profiles_have_all_parts():
    rows = [row for document in stored("profile") for row in document["rows"]]
    assert rows
    assert all(set(PARTS) <= set(row) for row in rows)


def test_stored_precision_has_the_current_key():
    rows = [row for document in stored("precision") for row in document["rows"]]
    assert rows
    assert all("same_best_token" in row for row in rows)


def test_renamed_row_is_compared_with_its_old_result():
    old = with_current_names(make_result(make_row("a forward per word")))
    (change,) = compare([old], [make_result(make_row("a forward per token"))], 0.1)
    assert change.verdict == "same"


def test_the_document_stays_as_it_is():
    document = make_result({**make_row("a forward per word"), "best_words": 0.5})
    with_current_names(document)
    assert document["rows"][0]["what"] == "a forward per word"
    assert document["rows"][0]["best_words"] == 0.5
