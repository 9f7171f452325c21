import re

from lm_envs_docs.links import EXECUTED

from tests.pages import PAGES, TUTORIALS, text_of


def listed():
    """Pages in the tables of contents of the front page."""
    trees = re.findall(r"```\{toctree\}\n(.*?)```", text_of("docs/index.md"), re.DOTALL)
    lines = [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]
    return [line.partition("<")[2].rstrip(">") or line for line in lines]


def test_every_page_is_in_the_table_of_contents():
    pages = {page.removeprefix("docs/").removesuffix(".md") for page in PAGES if "docs/" in page}
    assert pages - {"index"} <= set(listed())


def test_every_tutorial_is_in_the_table_of_contents():
    assert {f"{EXECUTED}/{path.stem}" for path in TUTORIALS} <= set(listed())


def test_no_page_is_listed_twice():
    assert len(listed()) == len(set(listed()))
