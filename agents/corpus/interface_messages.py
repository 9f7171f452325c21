"""English messages of programs' interfaces with their French translations by people.

`messages` are those of JupyterLab's language pack (`jupyterlab-language-pack-fr-FR`, BSD-3-Clause).
`program_messages` adds those of ten more programs, from wheels on the Python package index. Owns
which messages are kept. Nothing of them was read by the embedded model.
"""

import json
import re
from collections.abc import Iterable, Iterator

from agents.corpus.sources import clean, package_folder
from agents.download.catalogs import CatalogWheel, Message
from lm_envs.tasks.splits import split_of

PACKAGE = "jupyterlab_language_pack_fr_FR"

WHEELS = (
    CatalogWheel(
        "django-oscar==4.2.1", "adbb95ea0130859c204cc6fb221052d6d437ecbaa90800e8418a809f72645e9c"
    ),
    CatalogWheel(
        "gramps==6.0.8", "56f03bcb643320eb9f9892d4c3f8bbe7c4c4d2e4c71e56f598584af24561ec1c"
    ),
    CatalogWheel(
        "horizon==27.0.0", "8a981dae4fb6626e71553aa185f6e429b0b1efb86b04b0a72c3b18ee04f1f990"
    ),
    CatalogWheel(
        "mayan-edms==4.12.2", "5eb0deccb29199a7add33a757161f3f461aa3b00451de13027049258dd412f67"
    ),
    CatalogWheel(
        "misago==0.39.6", "57152ffa4d5d567803594b49163a7b399e93fab438f99ab4a463459936eb9f00"
    ),
    CatalogWheel(
        "pretalx==2025.2.2", "39e99ae2c8ad4a6a17d2ee022fc52369a0ac398762cac537de7833c664828440"
    ),
    CatalogWheel(
        "pretix==2026.8.0", "a78932e698778d873530d67f25a57c28d1c09b1bfb1a22ec817c00d90397db85"
    ),
    CatalogWheel(
        "spyder==6.1.8", "4da836742a7138c93392a8a0bd1a5ff40002cf92d217ef0e7bed11b522322f90"
    ),
    CatalogWheel(
        "wagtail==8.0.1", "1e6ad5c7891a54efce1400e168298b5a2cc343b642cee89c31bf5ec30c98b26c"
    ),
    CatalogWheel(
        "weblate==5.14.3", "0bc2c5a49ebc496758e89f08d5ec9d1b226e8aba2cff7744a18ab9f235dca816"
    ),
)
"""Programs with some thousand messages each, together 190 MB; each has a license of its own."""

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
    yield from _rows(_jupyterlab())


def program_messages() -> Iterator[dict[str, str]]:
    """Yields rows as `messages` does, and behind them those of the programs in `WHEELS`.

    A message that several programs have is that of the first one. Each of the rows of `messages`
    keeps its split.

    Raises:
        OSError: If a wheel cannot be downloaded.
    """
    yield from _rows(_all_programs())


def _all_programs() -> Iterator[Message]:
    yield from _jupyterlab()
    for wheel in WHEELS:
        yield from wheel.messages("fr")


def _jupyterlab() -> Iterator[Message]:
    for path in sorted((package_folder(PACKAGE) / "locale").rglob("*.json")):
        for key, values in json.loads(path.read_text(encoding="utf-8")).items():
            if isinstance(values, list) and values[0]:
                yield key.rpartition(_CONTEXT)[2], values[0]


def _rows(found: Iterable[Message]) -> Iterator[dict[str, str]]:
    seen = set()
    for source, target in found:
        source, target = clean(source), clean(target)
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
