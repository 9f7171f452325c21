import json
import re

from agents.evaluation.html import cards, folded, heading, page, paragraph, picture, plain, table

EVIL = "<b>&'\""
ESCAPED = "&lt;b&gt;&amp;&#x27;&quot;"


def test_every_function_escapes_its_text():
    shown = [
        heading(EVIL),
        paragraph(EVIL),
        plain(EVIL),
        picture(b"", EVIL),
        cards([(EVIL, plain(""))]),
        table([EVIL], [[EVIL]], EVIL),
        folded(EVIL, {EVIL: 1}),
        page(EVIL, []),
    ]
    assert all("<b>" not in part and ESCAPED[:9] in part for part in shown)


def test_text_after_a_line_break_is_small():
    assert "<td>1.0<small>0.5 … 1.5</small></td>" in table(["a", "b"], [["x", "1.0\n0.5 … 1.5"]])


def test_folded_values_are_json():
    inner = re.search("<pre>(.*)</pre>", folded("config", {"seed": 1}), re.DOTALL)[1]
    assert json.loads(inner.replace("&quot;", '"')) == {"seed": 1}


def test_control_and_bidirectional_characters_reach_no_part_of_a_page():
    hostile = "\x1b[2J\u202e<script>\x9b"
    parts = [
        heading(hostile),
        paragraph(hostile),
        table([hostile], [[hostile, hostile]], hostile),
        picture(b"png", hostile),
        cards([(hostile, plain(hostile))]),
        folded(hostile, {hostile: hostile}),
    ]
    text = page(hostile, parts)
    assert not set("\x1b\u202e\x9b") & set(text)
    assert "<script" not in text
