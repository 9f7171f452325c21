from io import BytesIO

import pytest
from PIL import Image

from agents.explaining.control_page import control_page, draw_control, print_control, sentences
from tests.agents.explaining.controls import small_report
from tests.agents.viewing.traces import HOSTILE


def change(mean, p):
    return {"mean": mean, "interval": (mean - 0.1, mean + 0.1), "p_holm": p}


def test_the_sentence_lists_what_moves_and_what_does_not():
    changes = {"tokens": change(-2.0, 0.01), "fluency": change(0.3, 0.04), "wit": change(0.1, 0.5)}
    rows = [{"score": "wit", "weight": weight} for weight in (0.0, 2.0)]
    (sentence,) = sentences({"changes": {"wit": changes}, "rows": rows})
    assert sentence == (
        "With the weight of wit from 0 to 2: tokens falls by 2.0 ± 0.1, fluency rises by 0.300 ± "
        "0.100; no clear change of wit."
    )


def test_the_table_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_control(small_report(), {"page": "index.html"})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("model alone" in line for line in lines)
    assert not [line for line in lines if "│" in line and "…" in line]


def test_the_page_shows_picture_table_and_texts_escaped(tmp_path):
    report = small_report()
    hostile = [{"prompt": HOSTILE, "text": HOSTILE}]
    rows = [{**row, "texts": hostile} for row in report["rows"]]
    report = {**report, "alone": {**report["alone"], "texts": hostile}, "rows": rows}
    draw_control(report, tmp_path / "control.png")
    page = control_page(report, tmp_path / "control.png")
    assert "<script" not in page
    assert not set("\x1b\x07\u202e\x9b\r") & set(page)
    assert "repetition -1" in page
    assert page.count("<img") == 1


@pytest.mark.parametrize("count", [1, 2])
def test_the_picture_has_axes_for_each_score(tmp_path, count):
    report = small_report()
    changes = {f"repetition{n or ''}": report["changes"]["repetition"] for n in range(count)}
    rows = [{**row, "score": score} for score in changes for row in report["rows"]]
    draw_control({**report, "changes": changes, "rows": rows}, tmp_path / "control.png")
    image = Image.open(BytesIO((tmp_path / "control.png").read_bytes()))
    assert image.width / image.height == pytest.approx(6.4 / (4.8 * count + 0.2), rel=0.02)
