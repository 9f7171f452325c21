import re

from lm_envs_docs import gallery

from agents.evaluation.samples import escape_markdown
from tests.pages import ROOT

RESULTS = ROOT / "benchmarks" / "results"


def test_gallery_shows_curves_and_texts_that_are_committed(tmp_path):
    page = ROOT / "docs" / "results" / "gallery.md"
    text = gallery.gallery(RESULTS, page)
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(pictures) >= 15
    assert all((page.parent / picture).exists() for picture in pictures)
    assert text.count("| policy | reward | text |") >= 15


def test_newest_results_of_a_configuration_are_shown(tmp_path):
    for date, files in {
        "2026-01-01": ["reward.png", "samples.md"],
        "2026-01-02": ["reward.png"],
    }.items():
        for name in files:
            path = tmp_path / "results" / date / "task_ppo" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(date)
    (result,) = gallery.committed_results(tmp_path / "results")
    assert result.picture.parts[-3] == "2026-01-02"
    assert result.samples.read_text() == "2026-01-01"


def test_texts_of_a_model_have_no_effect_as_markdown():
    sample = (
        "**A <b>prompt</b>** …\n\n- *reference*: x\n- agent (+0.5): a | b <script> [c](d) `e` *f*\n"
    )
    quote, table = gallery.transcripts(sample)
    assert "\\<b\\>" in quote
    assert table.splitlines()[-1] == (
        "| agent | +0.5 | a \\| b \\<script\\> \\[c\\](d) \\`e\\` \\*f\\* |"
    )


def test_a_text_that_the_file_escapes_is_escaped_once():
    written = escape_markdown("in [8] a_b at https://example.org")
    sample = f"**A prompt** …\n\n- agent (+0.5): {written}\n"
    _, table = gallery.transcripts(sample)
    assert table.splitlines()[-1] == "| agent | +0.5 | in \\[8\\] a\\_b at https://example.org |"
