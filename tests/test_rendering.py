from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from lm_envs import rendering
from lm_envs.transcript import Reply, Transcript


def make_transcript(token_texts, rewards, prompt="Once upon"):
    count = len(token_texts)
    return Transcript(
        prompt=prompt,
        text="".join(token_texts),
        reference="",
        prompt_tokens=np.arange(2),
        tokens=np.arange(count),
        logprobs=np.full(count, -1.0),
        rewards=np.array(rewards, float),
        token_texts=tuple(token_texts),
        ending="budget",
        scores={"fluency": 0.5},
    )


def test_tokens_are_colored_by_the_sign_of_their_reward():
    shown = rendering.ansi(make_transcript([" good", " bad"], [0.1, -0.1]))
    good = "38;2;{};{};{}m good".format(*rendering.ANSI_GAIN)
    bad = "4;38;2;{};{};{}m bad".format(*rendering.ANSI_LOSS)  # underlined too
    assert good in shown
    assert bad in shown


@pytest.mark.parametrize("color", [rendering.ANSI_GAIN, rendering.ANSI_LOSS])
@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255)])
def test_terminal_colors_are_readable_on_black_and_on_white(color, ground):
    """Regression: on a light terminal the text had a contrast of 1.45 : 1."""

    def luminance(rgb):
        parts = np.array(rgb) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(color), luminance(ground)])
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_text_without_colors_has_no_escape_codes():
    shown = rendering.ansi(make_transcript([" good", " bad"], [0.1, -0.1]), color=False)
    assert shown == "Once upon good bad\nreward +0.000  budget  fluency 0.50\n"


def test_lines_of_the_other_speaker_stand_between_the_turns():
    transcript = replace(
        make_transcript([" Which", " day?", " Done."], [0.1, 0.2, 0.3]),
        replies=(Reply(2, "Customer: On\x1b[2J Monday."), Reply(3, "Customer: <b>Bye</b>.")),
    )
    shown = rendering.ansi(transcript, color=False).split("\n")
    assert shown[:4] == [
        "Once upon Which day?",
        "Customer: On\ufffd[2J Monday.",
        " Done.",
        shown[3],
    ]
    assert rendering.text_with_replies(transcript).startswith(" Which day? [Customer: On")
    assert texts_of(rendering.html_tokens(transcript))[-2] == "Customer: <b>Bye</b>."
    assert rendering.text_with_replies(make_transcript([" a"], [0.0])) == " a"


def test_a_long_footer_of_a_frame_is_not_cut():
    """Regression: the footers of Dialogue and KnowledgeGraphQA ended inside a number."""
    scores = {f"score number {number}": 0.5 for number in range(6)}
    long = replace(make_transcript([" a"], [0.1]), scores=scores)
    short = replace(long, scores={"score": 0.5})
    lines = [(rendering.rgb(each) == rendering.WHITE).all(-1).any(1) for each in (long, short)]
    assert lines[0].sum() > 2 * lines[1].sum()


def test_costs_are_underlined_in_a_frame():
    lost, gained = (rendering.rgb(make_transcript(["mmmmm"], [reward])) for reward in (-1.0, 1.0))
    widths = [
        (frame[:40] == color).all(-1).sum(1).max()
        for frame, color in ((lost, rendering.LOSS), (gained, rendering.GAIN))
    ]
    assert widths[0] > 1.3 * widths[1]


@pytest.mark.parametrize("word", ["\x1b[2J", "\x07", "\r", "\u202e", "[red]bold[/red]"])
def test_control_characters_and_markup_have_no_effect(word):
    shown = rendering.ansi(make_transcript([word], [0.0], prompt=word))
    assert "\x1b[2J" not in shown
    assert not set("\x07\r\u202e") & set(shown)
    assert word != "[red]bold[/red]" or shown.count("[red]bold[/red]") == 2


@pytest.mark.parametrize("words", [[], [" word"] * 300, ["今天天气不错"] * 30, ["x" * 500]])
@pytest.mark.filterwarnings("ignore:No font has")
def test_a_frame_has_the_same_size_for_every_text(words):
    frame = rendering.rgb(make_transcript(words, [0.1] * len(words)))
    assert frame.shape == (rendering.HEIGHT, rendering.WIDTH, 3)
    assert frame.dtype == np.uint8
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) > 2


def test_a_frame_shows_gain_in_green():
    frame = rendering.rgb(make_transcript([" mmmmm"], [1.0])).astype(int)
    is_green = (np.abs(frame - np.array(rendering.GAIN)) < 3).all(-1)
    assert is_green.any()


def test_html_shows_gain_on_green_and_cost_underlined_on_red():
    shown = rendering.html(make_transcript([" good", " bad", " so"], [0.2, -0.1, 0.0]))
    green, red = ("rgba({},{},{},".format(*color) for color in (rendering.GAIN, rendering.LOSS))
    assert f'<span style="background:{green}0.45)" title="+0.200"> good</span>' in shown
    assert f"background:{red}0.32);text-decoration:underline dotted" in shown  # 0.45 * 0.5 ** 0.5
    assert f'<span style="background:{red}0.00)" title="+0.000"> so</span>' in shown


@pytest.mark.parametrize(
    "word",
    ["<script>alert(1)</script>", '" onmouseover="alert(1)', "</span><img src=x>", "&lt;b&gt;"],
)
def test_html_in_model_text_is_shown_as_text(word):
    shown = rendering.html(make_transcript([word], [0.1], prompt=word))
    assert texts_of(shown) == [word, word, "reward +0.100  budget  fluency 0.50"]


def test_html_replaces_control_characters():
    shown = rendering.html(make_transcript(["\x00\x1b\u202e"], [0.0]))
    assert "\ufffd\ufffd\ufffd</span>" in shown


def test_the_caption_counts_tokens_or_steps():
    running = replace(make_transcript([" a", " b"], [0.0, 0.0]), ending=None)
    assert "reward +0.000  2 tokens" in rendering.html(running)
    adjusted = replace(running, prompt_tokens=np.zeros(0, int), scores={})
    assert texts_of(rendering.html(adjusted))[-1] == "reward +0.000  2 steps"


def test_html_tokens_are_the_spans_of_the_written_tokens():
    transcript = make_transcript([" good"], [0.2])
    assert rendering.html_tokens(transcript) in rendering.html(transcript)
    assert texts_of(rendering.html_tokens(transcript)) == [" good"]


def texts_of(markup):
    """Texts that a browser shows, in pieces; fails on tags that rendering does not write."""
    pieces = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert tag in ("figure", "p", "span", "figcaption")
            assert {name for name, _ in attributes} <= {"class", "style", "title", "dir"}

        def handle_data(self, text):
            pieces.append(text)

    Reader().feed(markup)
    return pieces


def test_joiners_inside_words_are_kept():
    """Regression: emoji, Persian and Hindi showed U+FFFD."""
    word = "می\u200cخواهم 👩\u200d💻"
    assert word in rendering.html(make_transcript([word], [0.0]))
