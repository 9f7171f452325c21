import threading

import pytest

from agents.config.loading import UserError
from agents.rating.queue import RatingQueue
from agents.rating.server import RatingServer
from lm_envs.tasks.ratings import RatedText, RatingStore
from tests.agents.rating import browser
from tests.agents.rating.rating_server import HttpRater

EVIL = "<script>window.hit=1</script>\x1b[31m\u202e"


@pytest.fixture
def store(tmp_path):
    store = RatingStore(tmp_path / "r.sqlite")
    texts = [RatedText(f"{EVIL} {n}", name, source=name) for n in range(3) for name in "ab"]
    store.add_pairs(zip(texts[::2], texts[1::2], strict=True))
    return store


@pytest.fixture
def server(store):
    with RatingServer(RatingQueue(store), "secret") as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def rater(server):
    return HttpRater(server.address("simulated-1"))


def test_a_rating_is_stored_before_the_next_pair_is_sent(rater, store):
    first = rater.state()["item"]
    status, state = rater.rate(first, "left")
    assert (status, state["done"], state["total"]) == (200, 1, 3)
    assert state["item"]["numbers"] != first["numbers"]
    assert [rating.item for rating in store.ratings] == [tuple(first["numbers"])]


def test_an_undone_pair_is_shown_again(rater):
    first = rater.state()["item"]
    rater.rate(first, "tie")
    state = rater.undo()
    assert (state["item"], state["done"], state["can_undo"]) == (first, 0, False)


def test_raters_are_independent(rater, server):
    rater.rate(rater.state()["item"], "skip")
    other = HttpRater(server.address("simulated 2 ü"), "simulated 2 ü")
    assert (rater.state()["done"], other.state()["done"]) == (1, 0)


def test_no_source_and_no_control_character_is_sent(rater):
    item = rater.state()["item"]
    assert sorted(item) == ["numbers", "prompt", "texts"]
    assert item["prompt"].startswith("<script>window.hit=1</script>\ufffd[31m\ufffd")


@pytest.mark.parametrize("token", ["", "wrong", "sécret"])
def test_without_the_token_nothing_is_read_or_stored(rater, store, token):
    item = rater.state()["item"]
    headers = {"X-Token": token.encode("utf-8").decode("latin-1")}
    for path in ("/state?rater=simulated-1", "/?token=x", "/?token=%C3%A9", "/"):
        status, answer = rater.send(path, **headers)
        assert status == 403
        assert "open the address that the server has printed" in answer["error"]
    body = {"rater": "simulated-1", "item": item["numbers"], "choice": "left"}
    assert rater.send("/rate", body, **headers)[0] == 403
    assert store.ratings == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1:1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
def test_requests_of_other_sites_are_refused(rater, store, headers, status):
    body = {"rater": "simulated-1", "item": rater.state()["item"]["numbers"], "choice": "left"}
    assert rater.send("/rate", body, **headers)[0] == status
    assert store.ratings == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choice": "best"}, "Got choice='best'; allowed: left, right, tie, skip."),
        ({"choice": ["left"]}, "allowed: left"),
        ({"item": [1, 99]}, "allowed: the item that is shown"),
        ({"item": "x"}, "allowed: the item that is shown"),
        ({"rater": "\x1b[2J"}, "allowed: 1 to 40 printed"),
        ({"rater": ""}, "allowed: 1 to 40 printed"),
        ({"rater": 7}, "allowed: a name"),
    ],
)
def test_a_malformed_rating_is_refused_by_name(rater, store, change, message):
    body = {"rater": "simulated-1", "item": [1, 2], "choice": "left"} | change
    status, answer = rater.send("/rate", body)
    assert (status, store.ratings) == (400, [])
    assert message in answer["error"]


def test_a_large_body_and_an_unknown_path_are_refused(rater):
    assert rater.send("/rate", {"rater": "x" * 20_000})[0] == 413
    assert rater.send("/rate", ["x"])[0] == 400
    assert rater.send("/../../etc/passwd")[0] == 404
    assert rater.send("/other", {"rater": "simulated-1"})[0] == 404


def test_the_page_runs_its_own_script_only(rater):
    status, page = rater.send(f"/?token={rater.token}")
    assert (status, page.count("<script"), 'src="page.js"' in page) == (200, 1, True)
    assert rater.send("/page.js")[1].startswith('"use strict"')


def test_a_port_in_use_is_refused(server, store):
    with pytest.raises(UserError, match=r"allowed: a free port, or 0"):
        RatingServer(RatingQueue(store), "secret", server.server_port)


@pytest.mark.skipif(browser.PATH is None, reason="needs Chromium")
def test_in_a_browser_texts_are_text_and_the_page_asks_for_a_name(server, tmp_path):
    chromium = browser.Browser(tmp_path / "chromium")
    try:
        chromium.open(server.address())
        chromium.wait("!document.getElementById('name-form').hidden")
        for key in ("B", "o", "Enter"):
            chromium.press(key)
        chromium.wait("document.querySelectorAll('#texts .text').length === 2")
        shown = chromium.value("document.getElementById('prompt').textContent")
        assert shown.startswith("<script>window.hit=1</script>\ufffd[31m\ufffd")
        assert chromium.value("String(window.hit)") == "undefined"
        assert chromium.value("document.querySelectorAll('script').length") == 1
        assert chromium.value("document.getElementById('progress').textContent").startswith("Bo: 0")
    finally:
        chromium.close()
