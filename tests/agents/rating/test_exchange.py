import json

import pytest

from agents.config.loading import UserError
from agents.rating.exchange import export_ratings, import_ratings
from lm_envs.tasks import human
from lm_envs.tasks.ratings import RatedText, Rating, RatingStore

TEXT = RatedText("Q:\u2028", "a\u202e<b>", (1, 2), (3,), "model")


@pytest.fixture
def store(tmp_path):
    store = RatingStore(tmp_path / "r.sqlite")
    store.set_property("model", "f" * 64)
    store.add_pairs([(TEXT, RatedText("Q:\u2028", "b"))])
    ratings = [Rating("Anna", 1, 2, 0.5, is_swapped=True, time=5.0), Rating("Bo", 1, 2, None)]
    store.add_ratings([*ratings, Rating("Anna", 1, None, 0.7), Rating("Cy", 1, 2, 1.0)])
    store.undo("Cy")
    return store


def facts(store):
    return [(r.rater, r.item, r.value) for r in store.ratings]


def test_what_is_exported_can_be_imported_twice(store, tmp_path):
    path, other = tmp_path / "r.jsonl", RatingStore(tmp_path / "other.sqlite")
    assert export_ratings(store, path) == 3
    assert [import_ratings(other, path) for _ in range(2)] == [3, 0]
    assert facts(other) == facts(store)
    assert (other.texts[1], other.pairs) == (TEXT, store.pairs)


def test_ratings_of_the_terminal_can_be_imported(store, tmp_path):
    path = tmp_path / "human_ratings.jsonl"
    path.write_text('{"prompt": "R:", "text": " yes ", "rating": 0.3}\n')
    assert import_ratings(store, path) == 1
    assert store.mean_rating("R:", "yes") == 0.3


def test_exported_ratings_of_single_texts_are_read_by_the_terminal_score(
    store, tmp_path, monkeypatch
):
    """Regression: a skipped text was refused, "rating": null, and so was a pair."""
    store.add_ratings([Rating("Bo", 1, None, None), Rating("Bo", 2, None, None)])
    path = tmp_path / "r.jsonl"
    export_ratings(store, path)
    monkeypatch.setenv(human.FILE_VARIABLE, str(path))
    assert human.rating([TEXT.prompt], [TEXT.text], [[]]) == [0.7]


@pytest.mark.parametrize(
    "line",
    [
        "good",
        "[1]",
        '{"prompt": "p", "text": "a"}',
        '{"prompt": "p", "text": "a", "rating": 7}',
        '{"prompt": "p", "texts": ["a"], "value": 1}',
        '{"prompt": "p", "texts": ["a", 1], "value": 1}',
        '{"prompt": 1, "texts": ["a", "b"], "value": 1}',
        '{"rater": "\\u001b[2J", "prompt": "p", "texts": ["a", "b"], "value": 1}',
    ],
)
def test_a_malformed_line_is_refused_and_nothing_is_added(store, tmp_path, line):
    path, before = tmp_path / "r.jsonl", facts(store)
    good = {"prompt": "p", "texts": ["c", "d"], "value": 1}
    path.write_text(f"{json.dumps(good)}\n{line}\n")
    with pytest.raises(UserError, match=r"at .*r\.jsonl:2; allowed: .*Nothing was added"):
        import_ratings(store, path)
    assert (facts(store), len(store.texts)) == (before, 2)


def test_ratings_of_another_model_are_refused(store, tmp_path):
    path, other = tmp_path / "r.jsonl", RatingStore(tmp_path / "other.sqlite")
    export_ratings(store, path)
    other.set_property("model", "0" * 64)
    with pytest.raises(UserError, match=r"model 'ffffffffffff'… .*another --store"):
        import_ratings(other, path)
    assert other.texts == {}
