"""Rows of the hub; `datasets` is replaced, since tests run offline."""

import sys
from types import SimpleNamespace

import pytest

from lm_envs.tasks.data.hub import hub_rows

FEATURES = {
    "label": SimpleNamespace(names=["negative", "positive"]),
    "tags": SimpleNamespace(feature=SimpleNamespace(names=["x", "y"])),
    "text": SimpleNamespace(dtype="string"),
}


class Rows(list):
    features = FEATURES


def test_labels_that_are_numbers_are_replaced_by_their_names(monkeypatch):
    """Regression: the integers of imdb and sst2 were refused."""
    rows = Rows([{"text": "a", "label": 1, "tags": [0, 1]}, {"text": "b", "label": -1, "tags": []}])
    fake = SimpleNamespace(load_dataset=lambda name, split: rows)
    monkeypatch.setitem(sys.modules, "datasets", fake)
    assert [row for _, row in hub_rows("imdb", "test", "text")] == [
        {"text": "a", "label": "positive", "tags": ["x", "y"], "split": "test"},
        {"text": "b", "label": None, "tags": [], "split": "test"},
    ]


def test_an_error_without_a_message_is_named_by_its_class(monkeypatch):
    def load_dataset(name, split):
        raise OSError

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(ValueError, match=r"could not load \(OSError\)"):
        list(hub_rows("imdb", "test", "text"))
