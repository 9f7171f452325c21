import io
import json

import gymnasium as gym
import pytest

import lm_envs
from lm_envs.tasks import human
from lm_envs.tasks.ratings import RatedText, Rating, RatingStore

gym.register_envs(lm_envs)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def rate(text, references=(), prompt="How is it?"):
    return human.rating([prompt], [text], [references])[0]


@pytest.fixture
def ratings(tmp_path, monkeypatch):
    monkeypatch.setenv(human.FILE_VARIABLE, str(tmp_path / "ratings.jsonl"))
    return tmp_path / "ratings.jsonl"


def test_a_text_is_rated_once_and_the_rating_stored(ratings, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("eleven\n11\n7\n"))
    assert rate("A fine day.", ["A good day."]) == 0.7
    assert rate("A fine day.", []) == 0.7  # the terminal has no more answers
    row = {"prompt": "How is it?", "text": "A fine day.", "rating": 0.7}
    assert json.loads(ratings.read_text()) == row


def test_a_text_is_rated_for_each_prompt(ratings, monkeypatch):
    """Regression: "Stockholm" was paid what it had earned after another question."""
    monkeypatch.setattr("sys.stdin", Terminal("10\n0\n"))
    assert rate("Stockholm", prompt="Sweden?") == 1.0
    assert rate("Stockholm", prompt="Afghanistan?") == 0.0
    assert rate("Stockholm", prompt="Sweden?") == 1.0


def test_the_person_sees_the_prompt_and_no_escape_code_is_obeyed(ratings, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("1\n"))
    rate("\x1b[2Jgood\u202e", ["\x07"], prompt="The weather is")
    shown = capsys.readouterr().out
    assert "The weather is\n> \\x1b[2Jgood\\u202e\n  (reference: \\x07)" in shown
    assert not set("\x1b\x07\u202e") & set(shown)


def test_a_stored_rating_needs_no_terminal(ratings, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    ratings.write_text('{"text": "很好", "rating": 1}\n', encoding="utf-8")
    assert rate("很好", []) == 1.0
    with pytest.raises(ValueError, match=r"'不好' after .* and no terminal.*ratings.jsonl"):
        rate("不好", [])


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_text_with_a_line_separator_of_unicode_can_be_stored(ratings, separator):
    """Regression: the line was divided at the separator, and the file was refused."""
    row = {"text": f"a{separator}b", "rating": 0.5}
    ratings.write_text(json.dumps(row, ensure_ascii=False) + "\n\n", encoding="utf-8")
    assert rate(f"a{separator}b", []) == 0.5


def test_a_rating_is_appended_on_a_line_of_its_own(ratings, monkeypatch):
    """Regression: without a final line end both lines were glued together, and unreadable."""
    ratings.write_text('{"text": "a", "rating": 1}')
    monkeypatch.setattr("sys.stdin", Terminal("5\n2\n"))
    rate("b", [])
    rate("c", [])
    rows = [json.loads(line) for line in ratings.read_text().removesuffix("\n").split("\n")]
    assert [(row["text"], row["rating"]) for row in rows] == [("a", 1), ("b", 0.5), ("c", 0.2)]


@pytest.mark.parametrize("line", ["good", '{"text": "a"}', '{"text": "a", "rating": 5}', "[1]"])
def test_a_malformed_file_is_refused_with_its_line(ratings, line):
    ratings.write_text(line + "\n")
    with pytest.raises(ValueError, match=r"Got .* at .*ratings.jsonl:1; allowed: .*0 to 1"):
        rate("a", [])


def test_an_episode_is_paid_its_rating(ratings, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("9\n"))
    weights = {"lm_envs.tasks.human:rating": 2.0}
    env = gym.make("lm_envs/NextWord-v0", max_new_tokens=3, rewards=weights, dense=False)
    env.reset(seed=0)
    rewards = [env.step(1)[1] for _ in range(3)]
    assert rewards == [0.0, 0.0, pytest.approx(1.8)]


def test_a_rating_store_has_ratings_of_the_page_and_of_the_terminal(tmp_path, monkeypatch):
    store = RatingStore(tmp_path / "ratings.sqlite")
    (number,) = store.add_texts([RatedText("How is it?", "Fine.")])
    store.add_ratings([Rating("Anna", number, None, 0.2), Rating("Bo", number, None, 0.4)])
    monkeypatch.setenv(human.FILE_VARIABLE, str(store.path))
    monkeypatch.setattr("sys.stdin", Terminal("9\n"))
    assert rate("Fine.") == pytest.approx(0.3)  # the mean; no question
    assert rate("Bad.") == rate("Bad.") == 0.9
    assert [rating.rater for rating in store.ratings] == ["Anna", "Bo", "terminal"]


def test_dense_rewards_are_refused_since_each_token_would_need_a_rating():
    weights = {"lm_envs.tasks.human:rating": 1.0}
    with pytest.raises(ValueError, match=r"dense=True .*human:rating.*allowed: dense=False"):
        gym.make("lm_envs/NextWord-v0", rewards=weights)
    gym.make("lm_envs/NextWord-v0", rewards={"fluency": 1.0, **dict.fromkeys(weights, 0.0)})
