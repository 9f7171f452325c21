import numpy as np
import pytest

from agents.preferences.features import cached_features, text_features
from agents.rating.texts import TextSource, make_writers, pairs
from lm_envs.tasks.ratings import RatedText
from lm_envs.tasks.rewards.preference import FEATURES


@pytest.fixture(scope="module")
def texts():
    return [
        text for pair in pairs(make_writers(TextSource("embedded"), None, 4), 4) for text in pair
    ]


def test_features_do_not_depend_on_the_other_texts(texts):
    together, alone = text_features(texts, "embedded"), text_features(texts[2:3], "embedded")
    for all_rows, one in zip(together, alone, strict=True):
        assert all_rows[2] == pytest.approx(one[0], abs=1e-4)


def test_named_features_are_those_of_the_text(texts):
    one = RatedText("The sea is", "blue", (), ())
    twice = RatedText("The sea is", "blue blue blue blue", (), ())
    _, named = text_features([one, twice], "embedded")
    columns = dict(zip(FEATURES, named.T, strict=True))
    assert columns["repetition"][0] == 0 < columns["repetition"][1]
    assert columns["log_length"][0] < columns["log_length"][1]
    assert (columns["least_likely"] < 0).all()


def test_a_text_without_prompt_or_words_has_finite_features():
    states, named = text_features([RatedText("", "")], "embedded")
    assert np.isfinite(states).all()
    assert np.isfinite(named).all()


def test_a_token_of_another_vocabulary_is_refused():
    with pytest.raises(ValueError, match="Got token 999999 in a rated text"):
        text_features([RatedText("p", "t", (1,), (999_999,))], "embedded")


def test_texts_that_were_read_before_come_from_the_file(texts, tmp_path):
    path = tmp_path / "f.safetensors"
    first = cached_features(texts[:4], "embedded", path)
    stamp = path.stat().st_mtime_ns
    again = cached_features(texts[:4], "embedded", path)
    assert path.stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(again[0], first[0])
    more = cached_features(texts, "embedded", path)
    np.testing.assert_array_equal(more[1][:4], first[1])
    assert more[0] == pytest.approx(text_features(texts, "embedded")[0], abs=1e-4)


def test_a_damaged_file_is_written_anew(texts, tmp_path):
    path = tmp_path / "f.safetensors"
    path.write_bytes(b"damaged")
    assert len(cached_features(texts[:2], "embedded", path)[0]) == 2
    assert path.stat().st_size > 100
