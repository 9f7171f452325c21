"""From texts to a reward, with a simulated rater: a program, not a person."""

import re
import resource
import sys
from pathlib import Path

import pytest
import typer

from agents import rate
from agents.config.loading import UserError
from agents.preferences import __main__ as preferences
from agents.rate import bind_model, fill_store
from agents.rating.texts import TextSource, load_source, make_writers, pairs
from agents.train import train
from lm_envs.tasks.ratings import RatedText, Rating, RatingStore
from tests.agents.finished_run import changed
from tests.agents.rating import browser
from tests.agents.rating.rating_server import HttpRater, ServerProcess

COMMON = {"the", "of", "and", "to", "a", "in", "is", "for", "that", "on", "as", "by", "it"}


def liking(text):
    """The simulated rater likes texts with many common words."""
    words = text.lower().split()
    return sum(word.strip(".,") in COMMON for word in words) / max(len(words), 1)


def choice(texts):
    return "left" if liking(texts[0]) > liking(texts[1]) else "right"


class PageRater:
    """The simulated rater at the page, by keys alone."""

    KEYS = ({"left": "1", "right": "2"}, {"left": "ArrowLeft", "right": "ArrowRight"})

    def __init__(self, chromium):
        self.chromium = chromium

    def open(self, address):
        self.chromium.open(address)
        self.chromium.wait("document.querySelectorAll('#texts .text').length === 2")

    def done(self):
        return self.chromium.value("document.getElementById('bar').value")

    def press(self, key):
        self.chromium.press(key)

    def rate(self):
        cards = "[...document.querySelectorAll('#texts .text')].map((card) => card.textContent)"
        before = self.done()
        self.press(self.KEYS[before % 2][choice(self.chromium.value(cards))])
        self.chromium.wait(f"document.getElementById('bar').value === {before + 1}")

    def undo(self):
        before = self.done()
        self.press("u")
        self.chromium.wait(f"document.getElementById('bar').value === {before - 1}")

    def refused(self):
        """Rates by Tab and Enter, and returns the error."""
        focused = "document.activeElement.dataset.choice"
        if self.chromium.value(focused) is None:
            self.press("Tab")
        assert self.chromium.value(focused) == "left"  # the focus stays when new texts come
        self.press("Enter")
        shown = "document.getElementById('status')"
        return self.chromium.wait(f"{shown}.className === 'bad' && {shown}.textContent")


class HttpOnlyRater:
    """The simulated rater where there is no Chromium: it sends what the page would send."""

    def open(self, address):
        self.rater = HttpRater(address)

    def done(self):
        return self.rater.state()["done"]

    def rate(self):
        item = self.rater.state()["item"]
        assert self.rater.rate(item, choice(item["texts"]))[0] == 200

    def undo(self):
        assert "error" not in self.rater.undo()

    def refused(self):
        try:
            return self.rater.rate(self.rater.state()["item"], "left")[1]["error"]
        except OSError:
            return "does not answer"


@pytest.fixture
def rater(tmp_path):
    if browser.PATH is None:
        yield HttpOnlyRater()
        return
    chromium = browser.Browser(tmp_path / "chromium")
    yield PageRater(chromium)
    chromium.close()


def full_disk(server, *, is_full):
    """Lets the server's files grow no more, as on a full disk."""
    limit = 0 if is_full else resource.RLIM_INFINITY
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
def test_rate_undo_kill_go_on_fit_train_and_the_preference_rises(tmp_path, rater):
    path = tmp_path / "ratings.sqlite"
    server = ServerProcess("embedded", "--store", path, "--pairs", "30")
    store = RatingStore(path)
    rater.open(server.address)
    for _ in range(10):
        rater.rate()
    rater.undo()
    assert (rater.done(), len(store.ratings)) == (9, 9)
    rater.rate()

    full_disk(server, is_full=True)
    assert "what was stored before is complete" in rater.refused()
    full_disk(server, is_full=False)
    rater.rate()
    assert len(store.ratings) == 11

    server.kill()
    assert "does not answer" in rater.refused()
    server = ServerProcess("embedded", "--store", path, "--pairs", "30")
    rater.open(server.address)
    assert rater.done() == 11
    while rater.done() < 30:
        rater.rate()
    assert "30 ratings" in server.stop()

    fit, facts = preferences.fit_store(path)
    assert (facts["ratings"], facts["simulated"], facts["raters"]) == (30, 30, 1)
    assert fit.agreement.mean > 0.5
    file = tmp_path / "ratings.preference.safetensors"
    fit.preference.save(file)
    result = train_for(tmp_path, file)
    assert result["held_out_reward"] > result["baselines"]["random"]

    run = load_source(result["run"])
    ((first, second), *_) = pairs(make_writers(run, None, 3), 3)
    assert (first.source, second.source) == ("liked", "model")
    with pytest.raises(UserError, match=r"for a run; allowed: a file that exists"):
        make_writers(run, "lm_envs/Dialogue-v0", 3)


def train_for(folder, file):
    """Trains a small agent that is paid the preference."""
    kwargs = {"max_new_tokens": 12, "rewards": {f"preference:{file}": 1.0}, "dense": False}
    env = {"id": "lm_envs/NextWord-v0", "n_envs": 32, "kwargs": kwargs}
    algorithm = {"n_steps": 24, "batch_size": 128, "learning_rate": 3e-3, "gamma": 1.0}
    config = type(changed()).model_validate(
        {
            "name": "liked",
            "env": env,
            "algorithm": {"name": "PPO", "kwargs": algorithm},
            "total_timesteps": 3840,
            "evaluation": {"episodes": 48, "every": 3840},
        }
    )
    return train(config, folder)


def test_a_store_of_another_model_is_refused(tmp_path):
    store = RatingStore(tmp_path / "r.sqlite")
    store.set_property("model", "0" * 64)
    store.set_property("model_name", "mine")
    with pytest.raises(UserError, match=r"ratings of 'mine' .* for 'embedded' .*another --store"):
        bind_model(store, "embedded")


@pytest.mark.parametrize("option", [[], ["--import-from", "r.jsonl"]])
def test_a_model_that_is_not_there_leaves_no_store(tmp_path, monkeypatch, capsys, option):
    """Regression: an empty store stayed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rate", "./no-model", *option])
    with pytest.raises(SystemExit) as end:
        typer.run(rate.main)
    assert end.value.code == 2
    assert "Got model='./no-model'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_store_that_has_its_pairs_is_left_as_it_is(tmp_path):
    store = RatingStore(tmp_path / "r.sqlite")
    store.add_pairs([(RatedText("p", "a"), RatedText("p", "b"))])
    fill_store(store, TextSource("embedded"), None, 1)
    assert len(store.pairs) == 1


def test_pairs_of_another_source_are_not_taken_for_those_that_are_asked_for(tmp_path):
    store, prompts = RatingStore(tmp_path / "r.sqlite"), tmp_path / "prompts.txt"
    prompts.write_text("The sea\nThe law\n")
    fill_store(store, TextSource("embedded"), str(prompts), 2)
    fill_store(store, TextSource("embedded"), str(prompts), 2)
    with pytest.raises(UserError, match=r"has 2 pairs of .*prompts.txt'; allowed: --pairs 4 to"):
        fill_store(store, TextSource("embedded"), None, 2)
    fill_store(store, TextSource("embedded"), None, 4)
    assert len(store.pairs) == 4


PAGE = (Path(__file__).parents[2] / "docs" / "rating.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python -m agents\.(\w+) (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("name", "arguments"), COMMANDS)
def test_the_manuals_commands_are_accepted(name, arguments):
    app = typer.Typer()
    app.command()({"rate": rate, "preferences": preferences}[name].main)
    context = typer.main.get_command(app).make_context(name, arguments.split())
    assert str(context.params["store"]).endswith(".sqlite")


def test_ratings_travel_by_the_commands(tmp_path, monkeypatch, capsys):
    store = RatingStore(tmp_path / "a.sqlite")
    bind_model(store, "embedded")
    store.add_pairs([(RatedText("p", "a"), RatedText("p", "b"))])
    store.add_ratings([Rating("Anna", 1, 2, 1.0)])
    file = str(tmp_path / "r.jsonl")
    for name, option in (("a.sqlite", "--export-to"), ("b.sqlite", "--import-from")):
        monkeypatch.setattr(sys, "argv", ["rate", "--store", str(tmp_path / name), option, file])
        with pytest.raises(SystemExit) as end:
            typer.run(rate.main)
        assert end.value.code == 0
    assert "1 new ratings in" in capsys.readouterr().out
    assert [r.rater for r in RatingStore(tmp_path / "b.sqlite").ratings] == ["Anna"]
