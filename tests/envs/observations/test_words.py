"""Words of the text as columns."""

import re
import zlib

import numpy as np
import pytest

from lm_envs.envs.observations.words import Words
from tests.envs.helpers import make

SIZE = 256


def shown(prompt, **options):
    """The columns of the words of a prompt, and of what the agent has written, in a new row."""
    spec = {"kind": "words", "size": SIZE, **options}
    env = make(1, prompt_tokens=200, observation=spec, actions="vocabulary")
    observations, _ = env.reset(options={"prompt": prompt})
    return observations[0, :SIZE], observations[0, 2 * SIZE : 3 * SIZE], env


def columns_of(words):
    return sorted({zlib.crc32(word.encode()) % SIZE for word in words})


def test_words_are_in_lower_case_and_marks_and_chinese_characters_are_words():
    text, _, _ = shown("Where is 我的 bag, where?")
    expected = columns_of(["where", "is", "我", "的", "bag", ",", "?"])
    assert np.flatnonzero(text).tolist() == expected
    np.testing.assert_allclose(text[expected], 2.0 / len(expected) ** 0.5, rtol=1e-6)


def test_what_the_agent_writes_is_in_columns_of_its_own():
    text, own, env = shown("one two")
    assert not own.any()
    token = int(env.tokenizer.encode(" three")[0])
    observations, *_ = env.step(np.array([token]))
    np.testing.assert_array_equal(observations[0, :SIZE], text)
    written = env.transcripts[0].text.split()
    assert np.flatnonzero(observations[0, 2 * SIZE : 3 * SIZE]).tolist() == columns_of(written)


def test_the_last_reply_and_the_last_line_replace_those_before():
    spec, lines = {"kind": "words", "size": SIZE}, {"kind": "choices", "scores": False}
    env = make(1, env_id="lm_envs/Dialogue-v0", observation=spec, actions=lines)
    observations, _ = env.reset(seed=0)
    np.testing.assert_array_equal(observations[0, :SIZE], observations[0, SIZE : 2 * SIZE])
    for _ in range(2):
        line = env.task.options(env.episodes.examples[0], env.episodes.turns[0])[1].text
        observations, *_, infos = env.step(np.array([1]))
        last, own = observations[0, SIZE : 2 * SIZE], observations[0, 2 * SIZE : 3 * SIZE]
        for columns, part in ((last, infos["reply"][0]), (own, line)):
            words = re.findall(r"\w+|[^\w\s]", part.lower())
            assert np.flatnonzero(columns).tolist() == columns_of(words)


def test_dropout_leaves_out_a_share_of_the_words_that_depends_on_the_text_alone():
    words = [f"w{number}" for number in range(40)]
    whole, _, _ = shown(" ".join(words))
    kept, _, env = shown(" ".join(words), dropout=0.5)
    assert set(np.flatnonzero(kept)) < set(np.flatnonzero(whole))
    assert 8 <= np.count_nonzero(kept) <= 32  # of 40: 5 standard deviations are 16
    again, _ = env.reset(options={"prompt": " ".join(words)})
    np.testing.assert_array_equal(again[0, :SIZE], kept)
    other, _ = env.reset(options={"prompt": " ".join([*words, "more"])})
    assert set(np.flatnonzero(other[0, :SIZE])) - set(np.flatnonzero(kept))


def test_rows_that_go_on_keep_their_columns_while_others_begin_anew():
    env = make(3, "same_step", prompt_tokens=200, observation={"kind": "words", "size": SIZE})
    env.reset(seed=0)
    begun = 0
    for action in np.random.default_rng(0).integers(env.single_action_space.n, size=(24, 3)):
        observations, *_, infos = env.step(action)
        begun += int(infos.get("_final_obs", np.zeros(3, bool)).sum())
        anew = Words(SIZE, 0.0).encode(env.outputs, env.episodes)
        np.testing.assert_array_equal(observations[:, : 3 * SIZE], anew)
        observations[:] = 0.0  # a caller's change is not kept
    assert begun


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "Got size=0"),
        ({"dropout": 1.0}, r"Got dropout=1\.0; allowed: 0 <= dropout < 1"),
        ({"dropout": -0.1}, r"Got dropout=-0\.1; allowed: 0 <= dropout < 1"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        shown("a", **options)
