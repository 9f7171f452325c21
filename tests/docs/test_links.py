from lm_envs_docs import links

from tests.pages import ROOT


def rewritten(text, file, page):
    return links.rewritten(text, ROOT / file, page, ROOT)


def test_links_between_files_become_links_between_pages():
    text = "[a](../SECURITY.md) [b](rewards.md#scores) [c](../benchmarks/RESULTS.md)"
    expected = "[a](project/security.md) [b](rewards.md#scores) [c](results/index.md)"
    assert rewritten(text, "docs/commands.md", "commands") == expected


def test_links_of_an_included_file_start_at_its_page():
    text = "[a](docs/rewards.md) [b](CHANGELOG.md)"
    expected = "[a](../rewards.md) [b](changelog.md)"
    assert rewritten(text, "CONTRIBUTING.md", "project/contributing") == expected


def test_a_script_becomes_its_executed_page():
    text = "[a](own_task.py)"
    assert rewritten(text, "docs/tutorials/coming_from.md", "tutorials/coming_from") == (
        "[a](../learn/own_task.rst)"
    )


def test_files_without_a_page_and_addresses_stay():
    text = "[a](../benchmarks/results/x/gpu.md) [b](https://example.org/x) [c](#here)"
    assert rewritten(text, "docs/performance.md", "performance") == text


def test_every_included_file_exists_and_has_its_page():
    for file, page in links.PAGES.items():
        assert (ROOT / file).is_file()
        stub = ROOT / "docs" / f"{page}.md"
        assert page == "index" or f"../../{file}" in stub.read_text()


def test_form_of_external_addresses():
    assert links.FORM.fullmatch("https://arxiv.org/abs/1510.03055")
    for address in ("https://", "http://nodot", "https://a b.org", "ftp://example.org"):
        assert not links.FORM.fullmatch(address)
