"""The checks of the built site, on a small site that Sphinx builds here."""

import re

import gymnasium as gym
import pytest
from lm_envs_docs import checks, environment_pages
from sphinx.cmd.build import build_main

CONFIGURATION = "extensions = ['myst_parser']\nhtml_theme = 'furo'\nmyst_heading_anchors = 3\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with the page of NextWord."""
    source = tmp_path_factory.mktemp("source")
    (source / "conf.py").write_text(CONFIGURATION)
    page = environment_pages.page(gym.make("lm_envs/NextWord-v0"))
    page = page.partition("```\n")[2]  # without the picture
    page = re.sub(r"\(\.\./[^)]+\)", "(index.md)", page)
    (source / "index.md").write_text("# Start\n\n```{toctree}\nnext_word\n```\n\n[N](next_word.md)")
    (source / "next_word.md").write_text(f"# NextWord\n\n{page}")
    built = source / "built"
    assert build_main(["-q", "-W", "-b", "html", str(source), str(built)]) == 0
    return built


def test_search_finds_a_word_with_an_underscore(site):
    index = checks.search_index(site)
    assert checks.pages_with(index, "top_k") == ["next_word"]
    assert checks.pages_with(index, "no_such_word") == []


def test_whole_links_are_no_problem(site):
    assert list(checks.broken_links(site)) == []


def test_each_broken_link_is_named(site):
    links = (
        "missing.html",
        "next_word.html#nowhere",
        "https://nodot",
        "next_word.html#action-space",
    )
    broken = site / "broken.html"
    broken.write_text("".join(f'<a href="{link}">x</a>' for link in links))
    try:
        found = list(checks.broken_links(site))
    finally:
        broken.unlink()
    assert found == [f"broken.html: {link}" for link in links[:3]]


def test_a_missed_search_is_a_problem(site):
    assert any("search for 'optuna' misses commands" in line for line in checks.problems(site))
