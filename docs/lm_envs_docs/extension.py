"""The Sphinx extension of the site: generated pages, links and docstrings.

Owns when each part runs. Everything it writes is ignored by git.
"""

from pathlib import Path
from typing import Any

import gymnasium as gym
from sphinx.application import Sphinx

from lm_envs_docs import api_pages, environment_pages, facts, gallery, links
from lm_envs_docs.docstrings import to_restructured_text
from lm_envs_docs.episodes import write_animation

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RESULTS = ROOT / "benchmarks" / "results"


def write_if_changed(path: Path, text: str) -> None:
    """Writes a page; an unchanged one keeps its time, so that Sphinx does not read it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_pages(app: Sphinx) -> None:
    """Writes the pages of the ids, their animations, the API reference and the gallery."""
    env_ids = facts.own_ids()
    for env_id in env_ids:
        name = environment_pages.slug(env_id)
        page = environment_pages.page(gym.make(env_id))
        write_if_changed(DOCS / "environments" / f"{name}.md", page)
        write_animation(env_id, DOCS / "_static" / "episodes" / f"{name}.gif")
    overview = environment_pages.overview_page(env_ids)
    write_if_changed(DOCS / "environments" / "index.md", overview)
    for name in (*api_pages.PACKAGES, *api_pages.MODULES):
        write_if_changed(DOCS / "api" / "generated" / f"{name}.rst", api_pages.page(name))
    write_if_changed(DOCS / "api" / "index.md", api_pages.index())
    page = DOCS / "results" / "gallery.md"
    write_if_changed(page, gallery.gallery(RESULTS, page))


def rewrite_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Rewrites the links of a page."""
    file = DOCS / f"{page}.md"
    if file.exists():
        source[0] = links.rewritten(source[0], file, page, ROOT)


def rewrite_included(app: Sphinx, path: Path, parent: str, source: list[str]) -> None:
    """Rewrites the links of an included file of the repository."""
    file = (DOCS / path).resolve()
    # MyST's name of the parent lacks its folder.
    if page := links.PAGES.get(file.relative_to(ROOT).as_posix()):
        source[0] = links.rewritten(source[0], file, page, ROOT)


def rewrite_docstring(
    app: Sphinx,
    what: str,
    name: str,
    obj: Any,  # noqa: ANN401 - any documented object
    options: Any,  # noqa: ANN401 - of autodoc
    lines: list[str],
) -> None:
    """Rewrites a docstring's Markdown as reStructuredText."""
    lines[:] = to_restructured_text(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the parts to Sphinx's events."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", rewrite_page)
    app.connect("include-read", rewrite_included)
    # Before napoleon, which would read a Markdown heading as text.
    app.connect("autodoc-process-docstring", rewrite_docstring, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
