import subprocess
import sys

import pytest

from lm_envs.tasks.ratings import RatedText, Rating, RatingStore, StoreWriteError, is_store

FIRST, SECOND = RatedText("Q:", "yes", (1, 2), (3,), "model"), RatedText("Q:", "no", source="run")


@pytest.fixture
def store(tmp_path):
    store = RatingStore(tmp_path / "new" / "r.sqlite")
    store.add_pairs([(FIRST, SECOND)])
    return store


def test_texts_and_pairs_come_back_as_they_were_stored(store):
    assert list(store.texts.values()) == [FIRST, SECOND]
    assert store.add_pairs([(SECOND, FIRST), (FIRST, FIRST)]) == 0
    assert [(pair.first, pair.second) for pair in store.pairs] == [(1, 2)]


def test_an_item_is_rated_once_by_each_rater(store):
    assert store.add_ratings([Rating("Anna", 1, 2, 1.0), Rating("Anna", 1, 2, 0.0)]) == 1
    assert store.add_ratings([Rating("Bo", 1, 2, 0.5), Rating("Anna", 1, None, 0.5)]) == 2
    assert [(r.rater, r.value) for r in store.ratings] == [("Anna", 1), ("Bo", 0.5), ("Anna", 0.5)]


def test_an_undone_rating_no_longer_counts_and_can_be_made_anew(store):
    store.add_ratings([Rating("Anna", 1, 2, 1.0), Rating("Bo", 1, 2, 1.0)])
    assert store.undo("Anna").rater == "Anna"
    assert store.undo("Anna") is None
    assert [r.rater for r in store.ratings] == ["Bo"]
    assert store.add_ratings([Rating("Anna", 1, 2, 0.0)]) == 1
    assert [r.value for r in store.ratings_by("Anna")] == [0.0]


def test_the_mean_rating_of_a_text_is_over_raters(store):
    assert store.mean_rating("Q:", "yes") is None
    store.add_ratings([Rating("Anna", 1, None, 1.0), Rating("Bo", 1, None, 0.5)])
    store.add_ratings([Rating("Cy", 1, None, None)])  # skipped
    assert store.mean_rating("Q:", " yes ") == 0.75
    assert store.mean_rating("R:", "yes") is None


def test_of_ratings_with_an_error_none_is_stored(store):
    with pytest.raises(Exception, match="CHECK constraint"):
        store.add_ratings([Rating("Anna", 1, 2, 1.0), Rating("Anna", 1, None, 7.0)])
    assert store.ratings == []


def test_a_property_is_set_once(store):
    assert [store.set_property("seed", value) for value in "12"] == ["1", "1"]


def test_ratings_survive_a_killed_process(tmp_path):
    path = tmp_path / "r.sqlite"
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from lm_envs.tasks.ratings import *\n"
        "store = RatingStore(Path(sys.argv[1]))\n"
        "store.add_texts([RatedText('Q:', str(n)) for n in range(9)])\n"
        "for n in range(9): store.add_ratings([Rating('simulated', n + 1, None, 0.5)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, path], check=False)
    assert len(RatingStore(path).ratings) == 9


def test_a_folder_in_place_of_a_store_is_reported(tmp_path):
    with pytest.raises(StoreWriteError, match=r"unable to open .* Free space"):
        RatingStore(tmp_path)


def test_a_damaged_store_is_reported(store):
    store.close()
    content = store.path.read_bytes()
    store.path.write_bytes(content[:4096] + b"damaged " * ((len(content) - 4096) // 8))
    with pytest.raises(StoreWriteError, match="malformed"):
        list(RatingStore(store.path).texts)


def test_a_store_is_known_by_its_content_or_its_name(store, tmp_path):
    text = tmp_path / "r.db"
    assert is_store(store.path)
    assert is_store(text)
    text.write_text("{}")
    assert not is_store(text)
    assert not is_store(tmp_path / "r.jsonl")
