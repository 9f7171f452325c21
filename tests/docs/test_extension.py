from pathlib import Path

from lm_envs_docs import extension


def test_an_unchanged_page_keeps_its_time(tmp_path):
    path = tmp_path / "folder" / "page.md"
    extension.write_if_changed(path, "one")
    before = path.stat().st_mtime_ns
    extension.write_if_changed(path, "one")
    assert path.stat().st_mtime_ns == before
    extension.write_if_changed(path, "two")
    assert path.read_text() == "two"


def test_links_of_a_page_and_headings_of_a_docstring_are_rewritten():
    source = ["[a](../SECURITY.md)"]
    extension.rewrite_page(None, "commands", source)
    assert source == ["[a](project/security.md)"]
    lines = ["## Rewards"]
    extension.rewrite_docstring(None, "class", "x.Y", None, None, lines)
    assert lines[0] == ".. rubric:: Rewards"


def test_links_of_an_included_file_start_at_the_page_that_includes_it():
    source = ["[a](../docs/results/speed.md)"]
    extension.rewrite_included(None, Path("../benchmarks/RESULTS.md"), "index", source)
    assert source == ["[a](speed.md)"]
