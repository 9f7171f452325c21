"""Checks the built site: links, anchors, pictures, and what the search finds.

    python -m lm_envs_docs.checks docs/_build/html

Owns the rules. Offline: an external address is checked by its form only.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sphinx.search.en import SearchEnglish

from lm_envs_docs.links import FORM

SEARCHED = {
    "top_k": "environments/next_word",
    "choices": "environments/dialogue",
    "group_size": "tutorials/coming_from",
    "check_environment": "api/generated/lm_envs.testing",
    "fluency": "rewards",
    "optuna": "commands",
}
"""Words that a reader searches for, and a page that the search has to list."""


class Page(HTMLParser):
    """Collects the ids and the link targets of a page.

    Attributes:
        ids: Anchors of the page.
        links: Values of href and src, as written.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Reads one tag; `HTMLParser` calls it."""
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.append(value)


def broken_links(root: Path) -> Iterator[str]:
    """Yields a line for each link that leads nowhere: a missing file or anchor, an odd address.

    Args:
        root: Folder of the built site.
    """
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.html"))}
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            if not _is_whole(link, path, pages):
                yield f"{path.relative_to(root)}: {link}"


def _is_whole(link: str, path: Path, pages: Mapping[Path, Page]) -> bool:
    if "://" in link or link.startswith("mailto:"):
        return FORM.fullmatch(link) is not None
    if link.startswith(("data:", "javascript:")):
        return True
    target, _, anchor = unquote(link).partition("#")
    target = target.partition("?")[0]
    file = (path.parent / target).resolve() if target else path
    if not file.exists():
        return False
    is_page = file in pages and anchor and not anchor.startswith("_")
    return not is_page or anchor in pages[file].ids


def search_index(root: Path) -> dict[str, Any]:
    """Returns the index that the pages' search reads."""
    text = (root / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("Search.setIndex(").rstrip().removesuffix(")"))


def pages_with(index: Mapping[str, Any], word: str) -> list[str]:
    """Returns the names of the pages that the search lists for a word; both are stemmed alike."""
    found = index["terms"].get(SearchEnglish({}).stem(word.lower()), [])
    numbers = found if isinstance(found, list) else [found]
    return [index["docnames"][number] for number in numbers]


def problems(root: Path) -> list[str]:
    """Returns all broken links, and the searches that miss their page."""
    index = search_index(root.resolve())
    missed = [
        f"search for {word!r} misses {page}"
        for word, page in SEARCHED.items()
        if page not in pages_with(index, word)
    ]
    return [*broken_links(root.resolve()), *missed]


def main() -> None:
    """Prints the problems of a built site; exits with 1 if there are any."""
    found = problems(Path(sys.argv[1]))
    print("\n".join(found) or "All links lead somewhere, and the search finds its words.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
