"""English messages of a program's interface with their French translations by people.

From the language pack of JupyterLab (`jupyterlab-language-pack-fr-FR`, BSD-3-Clause). Owns which
messages are kept. Nothing of it was read by the embedded model.
"""

import json
import re
from collections.abc import Iterator

from agents.corpus.sources import clean, package_folder
from lm_envs.tasks.splits import split_of

PACKAGE = "jupyterlab_language_pack_fr_FR"
WORDS = range(3, 15)
"""Allowed numbers of words in an English message."""

HELD_OUT = 0.15
"""Share of the messages in validation, and the same share in test."""

_CONTEXT = "\x04"
"""Ends the context that gettext puts before an ambiguous message."""

_CODE = re.compile(r"[%{}<>`_\\$@/]|\.\w|[a-z][A-Z]")
"""Placeholders, markup and names of the program, which are copied instead of translated."""


def messages() -> Iterator[dict[str, str]]:
    """Yields one row per message: source, target, pair, split; messages differ in their letters."""
    seen = set()
    for path in sorted((package_folder(PACKAGE) / "locale").rglob("*.json")):
        for key, values in json.loads(path.read_text(encoding="utf-8")).items():
            source = clean(key.rpartition(_CONTEXT)[2])
            target = clean(values[0]) if isinstance(values, list) and values[0] else ""
            letters = re.sub(r"\W", "", source.casefold())
            if letters in seen or not _is_kept(source, target):
                continue
            seen.add(letters)
            yield {
                "source": source,
                "target": target,
                "pair": "en-fr",
                "split": split_of(letters, HELD_OUT),
            }


def _is_kept(source: str, target: str) -> bool:
    is_translated = bool(target) and source.casefold() != target.casefold()
    is_code = _CODE.search(f"{source} {target}") is not None
    return len(source.split()) in WORDS and is_translated and not is_code
