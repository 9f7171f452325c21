import json
import sys

import pytest

from agents.config.loading import UserError
from agents.preferences import __main__ as preferences
from agents.rate import bind_model
from lm_envs.tasks.ratings import RatedText, Rating, RatingStore


@pytest.fixture
def store(tmp_path):
    """Twelve ratings by a program that likes repetition."""
    store = RatingStore(tmp_path / "r.sqlite")
    bind_model(store, "embedded")
    words = ["sea", "sky", "sun", "war", "law", "tax", "oil", "art", "day", "man", "car", "cup"]
    texts = [
        (RatedText(f"The {w}", f"{w} " * 5), RatedText(f"The {w}", "of the year")) for w in words
    ]
    store.add_pairs(texts)
    store.add_ratings(Rating("simulated-1", p.first, p.second, 1.0) for p in store.pairs)
    return store


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["preferences", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        preferences.typer.run(preferences.main)
    return end.value.code, capsys.readouterr()


def test_the_command_writes_a_reward_and_says_what_it_is_worth(store, monkeypatch, capsys):
    code, printed = run(monkeypatch, capsys, store.path, "--json")
    result = json.loads(printed.out)
    assert (code, result["simulated"], result["comparisons"]) == (0, 12, 12)
    assert result["agreement"]["mean"] == 1.0
    assert "better than chance" in result["verdict"]
    assert store.path.with_name("r.preference.safetensors").is_file()


def test_the_table_fits_a_terminal_and_ends_with_the_reward(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    code, printed = run(monkeypatch, capsys, store.path, "--output", "x.safetensors")
    lines = printed.out.splitlines()
    assert (code, lines[-1]) == (0, 'rewards={"preference:x.safetensors": 1.0}')
    assert max(map(len, lines)) <= 80


def test_another_model_and_a_missing_store_are_refused(store, tmp_path):
    with pytest.raises(UserError, match=r"Got no file .*allowed: a store of agents.rate"):
        preferences.fit_store(tmp_path / "missing.sqlite")
    other = RatingStore(tmp_path / "other.sqlite")
    other.set_property("model", "0" * 64)
    other.set_property("model_name", "mine")
    with pytest.raises(UserError, match=r"whose texts are of 'mine' .*Name its folder by --model"):
        preferences.fit_store(other.path, "embedded")


def test_a_store_without_ratings_is_refused(tmp_path):
    RatingStore(tmp_path / "r.sqlite")
    with pytest.raises(UserError, match="without comparisons"):
        preferences.fit_store(tmp_path / "r.sqlite")
